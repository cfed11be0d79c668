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
from components.ingest.archives import EXTENSIONS as ARCHIVES
from components.ingest.archives import is_archive, local_copy, members
from components.ingest.check import shown
from components.ingest.places import Found, Place
from components.ingest.sidecars import LABELS, beside, read_label
from components.ingest.tables import EXTENSIONS as TABLES
from components.ingest.tables import is_table, list_table

GIVEN = {"train": TRAIN, "test": TEST, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "calibration": CALIBRATION}
RUBBISH = {"__MACOSX", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN"}
HELD_OUT = (TEST, CALIBRATION, VALIDATION)  # given splits that keep an image which lies elsewhere too, the first before the others
PLACES = f"`source` is a folder of images, s3://bucket/prefix, an archive ({', '.join(ARCHIVES)}) or a table of URIs ({', '.join(TABLES)})"


def precedence(given: str | None) -> int:
    """Which copy of a duplicate is kept: the lowest."""
    return HELD_OUT.index(given) if given in HELD_OUT else len(HELD_OUT)


class Listing(NamedTuple):
    """Everything in a source, in the order in which it is read."""

    images: list[Found]
    ignored: Counter[str]  # other files, by extension
    keys: frozenset[str]  # every file
    brought: frozenset[str]  # the splits that the source's own folders give
    store: str  # where keys without a place of their own lie
    refused: tuple[tuple[str, str], ...] = ()  # members of archives and rows of tables, and why
    warnings: tuple[str, ...] = ()


class Entry(NamedTuple):
    """A file of the source, of whatever kind."""

    path: str  # its key; in an archive, where it would lie if the archive were unpacked beside itself
    size: int  # bytes
    place: Place | None


def list_source(source: str, scratch: Path, label_csv: str | None = None) -> Listing:
    """List a folder, an s3:// prefix, an archive, or a table of URIs; hidden files and what operating systems leave behind do not count.

    The top folders `train`, `test`, `val` and the like are given splits where nothing else lies at the top, or where there
    are two of them; alone among others, one is a class (trains, say). The class is the next folder down.
    Members of archives count as files that lie beside the archive; a `.cls` or `.json` of the same name says the class (WebDataset).
    Order: held-out files before others, since they win a duplicate, then by the md5 of the path, so that a shard mixes the classes.
    `scratch`: a folder for archives that must be copied or unpacked, needed as long as images are read.
    """
    store, files = _files(source)
    if len(files) == 1 and is_table(source):
        return _table(source, store, scratch)
    if not files and _is_object(source):
        raise BadInputError(f"{source}: an object; {PLACES}")
    entries, refused = _entries(store, files, scratch)
    images = [(key, entry) for key, entry in entries.items() if _extension(key) in EXTENSIONS]
    if not images:
        why = f"; {refused[0][0]}: {refused[0][1]}" if refused else ""
        raise BadInputError(f"{source}: holds no images among {len(entries)} files{why}; expected {', '.join(sorted(EXTENSIONS))}")
    split_folders = _split_folders({_top(entry.path) for _, entry in images})
    used = {label_csv} if label_csv else set()
    found = [_placed(key, entry, entries, split_folders, store, used, refused) for key, entry in images]
    ignored = Counter(_extension(key) or "without extension" for key in entries if _extension(key) not in EXTENSIONS and key not in used)
    return Listing(_ordered(found), ignored, frozenset(entries), frozenset(split_folders.values()), store, tuple(refused))


def _files(source: str) -> tuple[str, list[Stat]]:
    """The store, and its files: all of a folder or prefix, or the one archive or table that `source` is."""
    path, is_far = Path(source).expanduser(), source.startswith("s3://")
    if is_archive(source) or is_table(source):
        folder, _, name = source.rpartition("/")
        alone = open_store(folder).stat(name) if is_far and folder != "s3:/" else None
        if alone is not None:
            return folder, [alone]
        if path.is_file():
            return str(path.absolute().parent), [Stat(path.name, path.stat().st_size, "")]
    if is_far:
        return source, list(open_store(source).list())
    if path.is_dir():
        return str(path.absolute()), list(open_store(source).list())
    raise BadInputError(f"{source}: {'a file' if path.is_file() else 'no such folder'}; {PLACES}")


def _table(source: str, store: str, scratch: Path) -> Listing:
    name = source.rpartition("/")[2]
    path = local_copy(store, name, scratch) if store.startswith("s3://") else Path(store).expanduser() / name
    images, refused, warnings = list_table(path, name, store)
    if not images:
        why = f"; {refused[0][0]}: {refused[0][1]}" if refused else ""
        raise BadInputError(f"{source}: names no images{why}; expected a column uri with s3://bucket/key or paths relative to the table")
    keys = frozenset([*(file.key for file in images), *(key for key, _ in refused)])
    return Listing(_ordered(images), Counter(), keys, frozenset(), store, tuple(refused), warnings)


def _entries(store: str, files: list[Stat], scratch: Path) -> tuple[dict[str, Entry], list[tuple[str, str]]]:
    """Every file by key, archives opened; and what of them is refused."""
    entries: dict[str, Entry] = {}
    refused: list[tuple[str, str]] = []
    for stat in files:
        if _is_rubbish(stat.key):
            continue
        if not is_archive(stat.key):
            entries[stat.key] = Entry(stat.key, stat.size, None)
            continue
        folder = PurePosixPath(stat.key).parent
        for member in members(store, stat.key, scratch):
            key = f"{stat.key}/{member.name}" if member.name else stat.key
            if member.place is None:
                refused.append((shown(key), member.reason))
            elif not _is_rubbish(member.name):
                if key in entries:
                    refused.append((shown(key), "replaced by a later member of the same name"))
                entries[key] = Entry((folder / member.name).as_posix(), max(member.place.size, member.place.unpacked), member.place)
    return entries, refused


def _ordered(images: list[Found]) -> list[Found]:
    return sorted(images, key=lambda file: (precedence(file.given), _md5(file.key)))


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


def _placed(key: str, entry: Entry, entries: dict[str, Entry], split_folders: dict[str, str], store: str, used: set[str],
            refused: list[tuple[str, str]]) -> Found:
    """An image with what its folders and the files beside it say; `used` and `refused` note the latter."""
    folders = PurePosixPath(entry.path).parts[:-1]
    given = split_folders.get(folders[0]) if folders else None
    if split_folders:  # beside train/ and test/, a folder is more images, not a class
        folders = folders[1:] if given else ()
    label = folders[0] if folders else None
    text = beside(key, ".txt", entries, in_archive=entry.place is not None)
    if entry.place is not None:
        for extension in LABELS:
            sidecar = beside(key, extension, entries, in_archive=True)
            if sidecar is not None:
                used.add(sidecar)
                said, reason = read_label(sidecar, entries[sidecar].place)
                if reason:
                    refused.append((shown(sidecar), reason))
                elif said is not None:
                    label = said
                    break
    if text is None:
        return Found(key, entry.size, label, given, entry.place)
    used.add(text)
    return Found(key, entry.size, label, given, entry.place, entries[text].place or Place(store, text))


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
