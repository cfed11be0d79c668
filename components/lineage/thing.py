"""What a word of the command line means: a release, an image, or labels."""

import re
from pathlib import Path
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.files import sha256_file
from components.common.storage import Store
from components.lineage.reading.said import NAME, answers_about
from components.lineage.reading.served import served_about
from components.lineage.versions import held_by, versions_of
from components.releases import champion as champions
from components.releases.deciding.options import SHORTEST, Which, versions

ID = 64  # digits of an image's id
EXPECTED = (
    "expected a release (its first digits, or `champion`), an image (its id, the first digits of it, or its file), or "
    "labels (a batch such as 0002-3f9c12ab, image@who, or @who)"
)


class Thing(NamedTuple):
    """One of the three; what is not meant is empty."""

    release: str = ""  # its version
    image: str = ""  # its id
    batch: str = ""  # the name of a batch of labels
    person: str = ""  # whose labels, of `image` or all


def thing_of(word: str, which: Which, log: Store | None) -> Thing:
    """What a word means. Raises BadInputError where that is nothing that is known, or several things."""
    batch = word.rpartition("/")[2]
    if NAME.fullmatch(batch):
        return Thing(batch=batch)
    if (path := Path(word).expanduser()).is_file():
        return Thing(image=sha256_file(path))
    if word == "champion":
        return Thing(release=_champion(which))
    image, at, person = word.partition("@")
    if at:
        if not person:
            raise BadInputError(f"{word}: names nobody after the @; {EXPECTED}")
        return Thing(image=_image(image, which, log) if image else "", person=person)
    if not re.fullmatch(f"[0-9a-f]{{{SHORTEST},{ID}}}", word):
        raise BadInputError(f"{word}: is no file that is here, and no name of anything; {EXPECTED}")
    releases = sorted(version for version in versions(which) if version.startswith(word))
    if word in releases:
        return Thing(release=word)
    if len(word) == ID:
        return Thing(image=word)
    images = _images(word, which, log)
    found = [*(f"release {one}" for one in releases), *(f"image {one}" for one in images)]
    if len(found) != 1:
        raise BadInputError(_not_one(word, which, found))
    return Thing(release=releases[0]) if releases else Thing(image=images[0])


def _image(word: str, which: Which, log: Store | None) -> str:
    """The id of an image, by its first digits too, or of its file."""
    if (path := Path(word).expanduser()).is_file():
        return sha256_file(path)
    if not re.fullmatch(f"[0-9a-f]{{{SHORTEST},{ID}}}", word):
        raise BadInputError(f"{word}: is no id of an image, and no file that is here; {EXPECTED}")
    images = [word] if len(word) == ID else _images(word, which, log)
    if len(images) != 1:
        raise BadInputError(_not_one(word, which, [f"image {one}" for one in images]))
    return images[0]


def _images(word: str, which: Which, log: Store | None) -> list[str]:
    """Ids that begin so: in a dataset, or else in the labels, or else in the log."""
    store = which.store
    return (
        sorted({one.id for one in held_by(store, versions_of(store), [word])})
        or sorted({one.answer.id for one in answers_about(store, which.model, [word])})
        or (sorted({one.id for one in served_about(log, [word])}) if log else [])
    )


def _champion(which: Which) -> str:
    now = champions.champion(which.store, which.model)
    if now is None:
        raise BadInputError(f"{which.store.uri}/{which.root}: has no champion yet; say what is meant: {EXPECTED}")
    return now.version


def _not_one(word: str, which: Which, found: list[str]) -> str:
    if not found:
        nothing = f"neither a release of {which.model} nor an image that {which.store.uri} knows begins so"
        return f"{word}: {nothing}; {EXPECTED}"
    return f"{word}: more than one begins so: {', '.join(found[:5])}{', …' if len(found) > 5 else ''}; give more digits"
