"""List a source: its image files, with the class and split that their folders name."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from components.common.data.images import ImageError
from components.common.data.kinds import HEAD, kind_of
from components.common.errors import BadInputError
from components.common.storage import Stat, open_store
from components.ingest.source.archives import EXTENSIONS as ARCHIVES
from components.ingest.source.archives import at_hand, is_archive, members, tidy
from components.ingest.source.classes import ClassNames, empty_classes
from components.ingest.source.filenames import IMAGES, MAYBE, YES, extension_of, is_hidden
from components.ingest.source.labels import contradictions, read_csv, read_labels
from components.ingest.source.listing import HIDDEN_FILES, Entry, Listing
from components.ingest.source.locations import Location, as_text, read_head
from components.ingest.source.sidecars import LABELS, beside, read_label
from components.ingest.source.splits import is_split, precedence, split_folders
from components.ingest.source.tables import EXTENSIONS as TABLES
from components.ingest.source.tables import add_table, is_table

LOOKED = 8  # files of a top folder that are looked into, where their names do not say whether it holds images
PLACES = (
    f"`source` is a folder of images, s3://bucket/prefix, an archive ({', '.join(ARCHIVES)}) or a table of URIs "
    f"({', '.join(TABLES)})"
)


def list_source(source: str, labels: str, scratch: Path) -> Listing:
    """List a folder, an s3:// prefix, an archive, or a table of URIs; hidden files and what tools leave behind are
    counted, not listed. Files whose names do not say what they are stand among the images: whoever reads them decides.

    The top folders `train`, `test`, `val` and the like are given splits where nothing else lies at the top, or where
    there are two of them; alone among others, one is a class (trains, say). The class is the next folder down, unless
    `labels` (the setting of that name) says otherwise. Members of archives count as files that lie beside the archive;
    a `.cls` or `.json` of the same name says the class (WebDataset).
    Order: held-out files before others, since they win a duplicate; then by archive, so that one at a time is needed;
    then by the md5 of the path, so that a shard mixes the classes.
    """
    store, files = _files(source)
    listing = Listing(scratch, store)
    if isinstance(files, str):
        add_table(source, files, listing, scratch)
        splits: dict[str, str] = {}
    else:
        listing.add(_entries(listing, files, scratch))
        if not listing.count("entries WHERE image"):
            raise BadInputError(
                f"{source}: holds no images among {listing.count()} files{_first_refusal(listing)}; "
                f"expected {', '.join(sorted(IMAGES))}"
            )
        splits = split_folders(_tops(listing, scratch))
    listing.brought = frozenset(splits.values())
    if labels != "folders":
        listing.db.execute("DELETE FROM contradicted")  # what a table of URIs says of classes does not count
    if labels not in ("folders", "none"):
        path, inside = read_csv(labels, source, scratch)
        with path.open("rb") as file:
            read_labels(file, labels, source, listing)
        if inside:
            listing.use(inside)
    names = ClassNames()
    listing.db.executemany("INSERT INTO images VALUES (?,?,?,?,?,?,?,?)", _placed(listing, splits, labels, names))
    listing.warnings += contradictions(source if labels == "folders" else labels, listing)
    listing.warnings += names.warnings()
    if labels == "folders" and not isinstance(files, str):
        listing.empty = empty_classes(listing.empty_folders(), splits)
    return listing


def _files(source: str) -> tuple[str, Iterable[Stat] | str]:
    """The store, and its files: all of a folder or prefix, the one archive that `source` is, or the name of a table."""
    path = Path(source).expanduser()
    is_far = source.startswith("s3://")
    if is_archive(source) or is_table(source):
        folder, _, name = source.rpartition("/")
        alone = open_store(folder).stat(name) if is_far and folder != "s3:/" else None
        if alone is not None:
            return folder, name if is_table(source) else [alone]
        if path.is_file():
            return str(path.absolute().parent), path.name if is_table(source) else [
                Stat(path.name, path.stat().st_size, "")
            ]
    if is_far:
        if _is_object(source):
            raise BadInputError(f"{source}: an object; {PLACES}")
        return source, open_store(source).list(folders=True)
    if path.is_dir():
        return str(path.absolute()), open_store(source).list(folders=True)
    raise BadInputError(f"{source}: {'a file' if path.is_file() else 'no such folder'}; {PLACES}")


def _entries(listing: Listing, files: Iterable[Stat], scratch: Path) -> Iterator[Entry]:
    """Every file, archives opened; folders and what of the files is refused or hidden are noted."""
    for stat in files:
        if is_hidden(stat.key):
            listing.others[HIDDEN_FILES] += not stat.key.endswith("/")
        elif stat.key.endswith("/"):
            listing.add_folder(stat.key[:-1], stat.key[:-1])
        elif is_archive(stat.key):
            yield from _members(listing, stat, scratch)
            tidy(scratch)
        else:
            yield Entry(stat.key, stat.key, stat.size, stat.etag)


def _members(listing: Listing, stat: Stat, scratch: Path) -> Iterator[Entry]:
    folder = PurePosixPath(stat.key).parent
    names = set[str]()
    for member in members(listing.store, stat.key, scratch):
        key = f"{stat.key}/{member.name}" if member.name else stat.key
        if member.location is None and not member.is_folder:
            listing.refuse(key, member.reason)
        elif is_hidden(member.name):
            listing.others[HIDDEN_FILES] += not member.is_folder
        elif member.location is None:
            listing.add_folder(key, (folder / member.name).as_posix())
        else:
            if member.name in names:
                listing.refuse(key, "replaced by a later member of the same name")
            names.add(member.name)
            label = None
            if extension_of(key) in LABELS:
                label, reason = read_label(key, at_hand(member.location, scratch))
                if reason:
                    listing.refuse(key, reason)
            size = max(member.location.size, member.location.unpacked)
            yield Entry(key, (folder / member.name).as_posix(), size, stat.etag, member.location, label)


def _tops(listing: Listing, scratch: Path) -> set[str]:
    """The top folders that hold images; "" for images in none. Where it matters, some of the files whose names say
    nothing are looked into: a README beside `train` and `test` is no image.
    """
    tops = listing.tops(YES)
    unsure = listing.tops(MAYBE) - tops
    if not any(map(is_split, tops | unsure)):
        return tops | unsure
    for top, entry in listing.first_unsure(LOOKED):
        if top not in tops and _begins_like_an_image(listing, entry, scratch):
            tops.add(top)
    tidy(scratch)
    return tops


def _begins_like_an_image(listing: Listing, entry: Entry, scratch: Path) -> bool:
    place = entry.location or Location(listing.store, entry.key)
    try:
        head = read_head(at_hand(place, scratch) if place.is_member else place, entry.size, HEAD)
    except (KeyError, OSError, ImageError):
        return False
    return bool(kind_of(head, extension_of(entry.key)))


def _placed(listing: Listing, splits: dict[str, str], labels: str, names: ClassNames) -> Iterator[tuple[Any, ...]]:
    """Rows of the table of images: each with what its folders, the files beside it and the settings say."""
    has_texts = listing.holds(".txt")
    has_labels = listing.holds(*LABELS)
    is_csv = labels not in ("folders", "none")
    for entry in listing.images():
        folders = entry.path.split("/")[:-1]
        given = splits.get(folders[0]) if folders else None
        if splits:  # beside train/ and test/, a folder is more images, not a class
            folders = folders[1:] if given else []
        label = entry.label or (folders[0] if folders and not entry.line else None)
        if has_labels and entry.location:
            label = _said(listing, entry) or label
        if labels == "none":
            label = None
        elif is_csv:
            row = listing.db.execute("SELECT label FROM csv WHERE path = ?", (entry.key,)).fetchone()
            label = (row[0] or None) if row else None
        found = (
            beside(entry.key, ".txt", listing, in_archive=entry.location is not None)
            if has_texts and entry.text is None
            else None
        )
        location = _text_location(listing, found) if found else None
        archive = _md5(entry.location.key) if entry.location and entry.location.is_member else ""
        label = names(label) if label else None
        yield precedence(given), archive, _md5(entry.key), entry.key, label, given, entry.text, as_text(location)


def _said(listing: Listing, entry: Entry) -> str | None:
    """The class that a file beside a member says, the first kind before the second."""
    for extension in LABELS:
        found = beside(entry.key, extension, listing, in_archive=True)
        if found is not None:
            listing.use(found)
            there = listing.entry(found)
            if there and there.label:
                return there.label
    return None


def _text_location(listing: Listing, key: str) -> Location:
    listing.use(key)
    there = listing.entry(key)
    assert there is not None
    return there.location or Location(listing.store, key)


def _first_refusal(listing: Listing) -> str:
    first = next(listing.refusals(), None)
    return f"; {first.key}: {first.reason}" if first else ""


def _is_object(source: str) -> bool:
    above, _, name = source.rstrip("/").rpartition("/")
    return (
        above.startswith("s3://")
        and bool(name)
        and not source.endswith("/")
        and open_store(above).stat(name) is not None
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
