"""What lies in a source: its image files, and the class and split that their folders say."""

import hashlib
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from components.common.artifacts import CALIBRATION, TEST, TRAIN, VALIDATION
from components.common.errors import BadInputError
from components.common.images import EXTENSIONS
from components.common.splits import split_of
from components.common.storage import Stat, open_store

GIVEN = {"train": TRAIN, "test": TEST, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "calibration": CALIBRATION}
RUBBISH = {"__MACOSX", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN"}
HELD_OUT = (TEST, CALIBRATION, VALIDATION)  # given splits that keep an image which lies elsewhere too, the first before the others
PLACES = "`source` is a folder of images or an s3://bucket/prefix"


def precedence(given: str | None) -> int:
    """Which copy of a duplicate is kept: the lowest."""
    return HELD_OUT.index(given) if given in HELD_OUT else len(HELD_OUT)


class Found(NamedTuple):
    """One image file of the source."""

    key: str  # path inside the source
    size: int  # bytes
    label: str | None  # what its folder says
    given: str | None  # the split that its folder says


class Listing(NamedTuple):
    """Everything in a source, in the order in which it is read."""

    images: list[Found]
    ignored: Counter[str]  # other files, by extension
    keys: frozenset[str]  # every file
    brought: frozenset[str]  # the splits that the source's own folders give


def list_source(source: str, label_csv: str | None = None) -> Listing:
    """List a folder or s3:// prefix; hidden files and what operating systems leave behind do not count.

    The top folders `train`, `test`, `val` and the like are given splits where nothing else lies at the top, or where there
    are two of them; alone among others, one is a class (trains, say). The class is the next folder down.
    Order: held-out files before others, since they win a duplicate, then by the md5 of the path, so that a shard mixes the classes.
    """
    if not source.startswith("s3://") and Path(source).expanduser().is_file():
        raise BadInputError(f"{source}: a file; {PLACES}")
    if not source.startswith("s3://") and not Path(source).expanduser().is_dir():
        raise BadInputError(f"{source}: no such folder; {PLACES}")
    files = [stat for stat in open_store(source).list() if not _is_rubbish(stat.key)]
    images = [stat for stat in files if _extension(stat.key) in EXTENSIONS]
    others = [stat.key for stat in files if _extension(stat.key) not in EXTENSIONS and stat.key != label_csv]
    ignored = Counter(_extension(key) or "without extension" for key in others)
    if not files and _is_object(source):
        raise BadInputError(f"{source}: an object; {PLACES}")
    if not images:
        raise BadInputError(f"{source}: holds no images among {len(files)} files; expected {', '.join(sorted(EXTENSIONS))}")
    split_folders = _split_folders({_top(stat.key) for stat in images})
    found = [_placed(stat, split_folders) for stat in images]
    found.sort(key=lambda file: (precedence(file.given), _md5(file.key)))
    return Listing(found, ignored, frozenset(stat.key for stat in files), frozenset(split_folders.values()))


def split_for(image: str, given: str | None, brought: frozenset[str]) -> str:
    """Split of an image: a given held-out split stays; all else follows the md5 rule, and what would fall in a split that the
    source brings itself is for training, so that a given test set is the whole of it.
    """
    if given in HELD_OUT:
        return given
    split = split_of(image)
    return TRAIN if split in brought else split


def _split_folders(tops: set[str]) -> dict[str, str]:
    named = {top: GIVEN[top.lower()] for top in tops if top.lower() in GIVEN}
    return named if len(named) == len(tops) or len(named) > 1 else {}


def _placed(stat: Stat, split_folders: dict[str, str]) -> Found:
    folders = PurePosixPath(stat.key).parts[:-1]
    given = split_folders.get(folders[0]) if folders else None
    if split_folders:  # beside train/ and test/, a folder is more images, not a class
        folders = folders[1:] if given else ()
    return Found(stat.key, stat.size, folders[0] if folders else None, given)


def _is_object(source: str) -> bool:
    above, _, name = source.rstrip("/").rpartition("/")
    return above.startswith("s3://") and open_store(above).stat(name) is not None


def _is_rubbish(key: str) -> bool:
    return any(part.startswith(".") or part in RUBBISH for part in key.split("/"))


def _top(key: str) -> str:
    top, slash, _ = key.partition("/")
    return top if slash else ""


def _extension(key: str) -> str:
    return PurePosixPath(key).suffix.lower()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
