"""Which images are meant, what the store knows of them, and where the source still has them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc

from components.common.errors import BadInputError
from components.common.files import sha256_bytes, sha256_file
from components.common.parquet import read_table
from components.common.storage import Store, open_store
from components.forget.journal import Task
from components.lineage.trace import releases_of_all
from components.lineage.versions import Held, held_by, versions_of

ID = re.compile(r"[0-9a-f]{64}")
START = re.compile(r"[0-9a-f]{6,63}")
SHOWN = 3  # ids in a sentence


class Known(NamedTuple):
    """What a store knows of images."""

    held: list[Held]  # each in each version of a dataset
    near: list[Held]  # near-duplicates of them, in the newest version that has one
    learned: tuple[tuple[str, str, str], ...]  # model, version and how, once for each image and release
    unknown: list[str]  # what is not known about a release, in sentences


def ids_of(words: Sequence[str], store: Store) -> list[str]:
    """The ids that are meant: ids, their first digits (six at least), or files, by their bytes.

    Raises BadInputError where a word is none of these, or its digits say nothing or too little.
    """
    starts = [word for word in words if not Path(word).is_file() and START.fullmatch(word)]
    every = _ids(store) if starts else []
    found: list[str] = []
    for word in words:
        if Path(word).is_file():
            found.append(sha256_file(Path(word)))
        elif ID.fullmatch(word):
            found.append(word)
        elif word in starts:
            found.append(_only(word, [image for image in every if image.startswith(word)], store))
        else:
            raise BadInputError(
                f"{word!r} is no file and no id; expected an image's file, its id (sha256, 64 digits), or the first "
                "six digits of it or more"
            )
    return list(dict.fromkeys(found))


def _only(start: str, found: list[str], store: Store) -> str:
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadInputError(
            f"{start}: no image in a dataset of {store.uri} begins so; give its file, or all 64 digits to keep it out"
        )
    named = ", ".join(image[: len(start) + 6] for image in found[:SHOWN])
    raise BadInputError(f"{start}: {len(found):,} images begin so ({named}, …); give more digits")


def _ids(store: Store) -> list[str]:
    found: set[str] = set()
    for version in versions_of(store):
        found |= set(read_table(store.read(version.index.key)).column("id").to_pylist())
    return sorted(found)


def known_of(store: Store, ids: Sequence[str]) -> Known:
    """What the store knows of the images."""
    versions = versions_of(store)
    held = held_by(store, versions, list(ids))
    about = [one for every in releases_of_all(store, list(ids)).values() for one in every]
    learned = tuple(sorted((one.model, one.version, one.how) for one in about if not one.why))
    unknown = sorted({f"release {one.version} of {one.model}: {one.why}" for one in about if one.why})
    return Known(held, _near(store, held, frozenset(ids)), learned, unknown)


def _near(store: Store, held: list[Held], ids: frozenset[str]) -> list[Held]:
    newest = {(one.dataset, one.id): one for one in held}
    found: dict[str, Held] = {}
    for one in newest.values():
        index = read_table(store.read(f"datasets/{one.dataset}/{one.version}/index.parquet"))
        like = index.filter(pc.equal(index["group"], one.group)).select(["id", "split", "label", "source", "shard"])
        for row in like.to_pylist():
            if row["id"] not in ids:
                found[row["id"]] = Held(one.dataset, one.version, group=one.group, **row)
    return sorted(found.values())


def task_of(ids: Sequence[str], asked: str, known: Known) -> Task:
    versions = sorted({one.version for one in known.held})
    return Task(tuple(sorted(ids)), asked, tuple(versions), known.learned)


class Left(NamedTuple):
    """A file of the source that holds one of the images."""

    store: Store
    key: str

    @property
    def place(self) -> str:
        return f"{self.store.uri}/{self.key}"


def left_in_source(source: str, held: list[Held], ids: Sequence[str]) -> tuple[list[Left], str]:
    """Files of the source with the bytes of the images, copies included; and why nobody can tell, where that is so.

    Files are looked at that have the size of one that is known; an archive or a table is not looked into.
    """
    if not source or not held:
        return [], ""
    place = open_store(source)
    if "://" not in source and not Path(source).expanduser().is_dir():
        return [], f"{source} is not a folder: look there yourself"
    keys = {one.source for one in held}
    sizes = {stat.size: stat for stat in place.list() if stat.key in keys}
    found = [
        Left(place, stat.key)
        for stat in place.list()
        if stat.size in sizes and sha256_bytes(place.read(stat.key)) in ids
    ]
    return sorted(found, key=lambda one: one.key), ""
