"""List what is to be classified: files, folders, patterns, archives, tables, and the same on S3, word after word.

A folder or prefix gives its images in the order of their names, hidden files and files that are no images by their
names left out; of names that say nothing, the first bytes decide later. The listing lies on disk, so that memory does
not grow with the number of images.
"""

import glob
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from itertools import chain, islice
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.errors import BadInputError
from components.common.files import new_file, sha256_file, sha256_json
from components.common.labels.tables import read_table
from components.common.storage import file_at, open_store
from components.ingest.source.archives import is_archive, local_copy, members
from components.ingest.source.database import open_database
from components.ingest.source.filenames import NO, YES, extension_of, is_hidden, is_image
from components.ingest.source.locations import Location, SourceFile, as_text, from_text, shown
from components.ingest.source.tables import is_table

COLUMNS = ("uri", "path", "image")  # of a table, the first that it has
MAGIC = "*?["
BATCH = 1024  # rows held at a time
UNNAMED = "its name is not UTF-8; rename it"
NOTHING = "names no images; expected a file, folder, pattern, archive or table, or the same on s3://"
SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("size", pa.int64()),
        ("location", pa.string()),
        ("reason", pa.string()),
        ("is_image", pa.bool_()),
    ]
)


class Listing(NamedTuple):
    """A listing on local disk: a row group for each part."""

    path: Path
    sizes: tuple[int, ...]  # images of each part

    def part(self, number: int) -> Iterator[SourceFile]:
        with pq.ParquetFile(self.path, pre_buffer=False) as file:
            for batch in file.iter_batches(BATCH, row_groups=[number], use_threads=False):
                for image, size, location, reason, sure in zip(*batch.to_pydict().values(), strict=True):
                    yield SourceFile(image, size, None, None, from_text(location), reason=reason, is_image=sure)


def write_listing(words: Sequence[str], part_images: int, scratch: Path, path: Path) -> Listing:
    """List all that the words name. Raises BadInputError where one of them names nothing that could be an image."""
    files = list_all(words, scratch)
    with new_file(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        while some := list(islice(files, part_images)):
            rows = ((file.key, file.size, as_text(file.location), file.reason, file.is_image) for file in some)
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), row_group_size=len(some))
    listing = open_listing(path)
    if not listing.sizes:
        raise BadInputError(f"{' '.join(words)}: {NOTHING}")
    return listing


def open_listing(path: Path) -> Listing:
    about = pq.read_metadata(path)
    return Listing(path, tuple(about.row_group(number).num_rows for number in range(about.num_row_groups)))


def binding(words: Iterable[str], scratch: Path) -> str:
    """Digest of what the words are: where they lead from anywhere, and the contents of tables."""
    told = []
    for word in words:
        whole = word if _is_far(word) else os.path.normpath(Path(word).expanduser().absolute())
        table = _table(word, scratch)
        told.append([shown(whole), sha256_file(table) if table else ""])
    return sha256_json(told)


def list_all(words: Iterable[str], scratch: Path) -> Iterator[SourceFile]:
    """Every image, and every file that may be one, under the name by which it is reported."""
    return chain.from_iterable(_named_by(word, scratch) for word in words)


def _named_by(word: str, scratch: Path) -> Iterator[SourceFile]:
    if table := _table(word, scratch):
        return _rows(word, table)
    if is_archive(word) and _is_there(word):
        return _inside(word, scratch)
    if _is_far(word):
        return _far(word, scratch)
    path = Path(word).expanduser()
    if path.is_dir():
        return _below(word, scratch)
    if not path.exists() and any(sign in word for sign in MAGIC):
        return _ordered(word, _matching(str(path)), lambda each: _file(each, each), scratch)
    return iter([_file(word, str(path))])


def _far(word: str, scratch: Path) -> Iterator[SourceFile]:
    """An object, all below a prefix, or the objects of a bucket that a pattern fits, whose `*` crosses slashes too."""
    bucket, _, key = word.removeprefix("s3://").partition("/")
    store = open_store(f"s3://{bucket}")
    if key and not key.endswith("/") and store.stat(key):
        return iter([SourceFile(word, 0, None, None, Location(store.uri, key))])
    fixed = min((key.find(sign) for sign in MAGIC if sign in key), default=-1)
    prefix = key[:fixed] if fixed >= 0 else f"{key.rstrip('/')}/" if key else ""
    below = len(prefix[: prefix.rfind("/") + 1])
    stats = (stat for stat in store.list(prefix) if not is_hidden(stat.key[below:]))
    found = ((stat.key, stat.size) for stat in stats if fixed < 0 or fnmatchcase(stat.key, key))
    return _ordered(
        word, found, lambda each: SourceFile(f"{store.uri}/{each}", 0, None, None, Location(store.uri, each)), scratch
    )


def _matching(pattern: str) -> Iterator[tuple[str, int]]:
    """Paths of files that a pattern fits, and their sizes."""
    fixed = pattern[: min(pattern.find(sign) for sign in MAGIC if sign in pattern)].rpartition("/")[0]
    for name in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - pathlib's takes no absolute pattern
        if Path(name).is_file() and not is_hidden(name[len(fixed) :].lstrip("/")):
            yield name, Path(name).stat().st_size


def _below(folder: str, scratch: Path) -> Iterator[SourceFile]:
    root = str(Path(folder).expanduser().absolute())
    name = folder.rstrip("/") or "/"
    keys = ((stat.key, stat.size) for stat in open_store(root).list() if not is_hidden(stat.key))
    return _ordered(
        folder, keys, lambda key: SourceFile(posixpath.join(name, key), 0, None, None, Location(root, key)), scratch
    )


def _ordered(
    word: str, keys: Iterable[tuple[str, int]], file_of: Callable[[str], SourceFile], scratch: Path
) -> Iterator[SourceFile]:
    """Those of the keys (with their sizes) that may be images, in their order; BadInputError where there are none."""
    path = scratch / "keys.db"
    path.unlink(missing_ok=True)
    with closing(open_database(path, "CREATE TABLE keys (shown TEXT, name BLOB, size INTEGER)")) as database:
        wanted = ((shown(key), os.fsencode(key), size) for key, size in keys if is_image(extension_of(key)) != NO)
        database.executemany("INSERT INTO keys VALUES (?,?,?)", wanted)
        is_empty = True
        for text, name, size in database.execute("SELECT * FROM keys ORDER BY shown, name"):
            is_empty = False
            file = file_of(os.fsdecode(name))
            is_named = name == text.encode()
            sure = is_image(extension_of(text)) == YES
            yield file._replace(size=size, is_image=sure) if is_named else _refused(file.key, UNNAMED)
    if is_empty:
        raise BadInputError(f"{word}: {NOTHING}")


def _inside(word: str, scratch: Path) -> Iterator[SourceFile]:
    """Members of an archive, in its order."""
    store, key = file_at(word if _is_far(word) else str(Path(word).expanduser().absolute()))
    for member in members(store.uri, key, scratch):
        name = f"{word}/{member.name}" if member.name else word
        if member.location is None and not member.is_folder:
            yield _refused(name, member.reason)
        elif member.location and not is_hidden(member.name) and is_image(extension_of(member.name)) != NO:
            sure = is_image(extension_of(member.name)) == YES
            size = max(member.location.size, member.location.unpacked)
            yield SourceFile(shown(name), size, None, None, member.location, is_image=sure)


def _rows(word: str, table: Path) -> Iterator[SourceFile]:
    """Images that a table names, under the names that they have there; relative ones lie where the table does."""
    above = word.rpartition("/")[0] if _is_far(word) else str(Path(word).expanduser().absolute().parent)
    for line, uri in _uris(word, table):
        yield _resolved(uri, above) if uri else _refused(f"{word}:{line}", "no uri")


def _resolved(uri: str, above: str) -> SourceFile:
    if "://" in uri and not _is_far(uri):
        return _refused(uri, "an address that is not read: expected s3:// or a path")
    if not _is_far(uri) and not _is_far(above):
        return _file(uri, os.path.normpath(Path(above, Path(uri).expanduser())))
    whole = uri if _is_far(uri) else f"{above}/{posixpath.normpath(uri)}"
    bucket, _, key = whole.removeprefix("s3://").partition("/")
    if not bucket or not key or ".." in key.split("/") or uri.startswith("/"):
        return _refused(uri, "no s3://bucket/key, and no path relative to the table")
    return SourceFile(shown(uri), 0, None, None, Location(f"s3://{bucket}", key))


def _uris(word: str, table: Path) -> Iterator[tuple[int, str]]:
    """Line and address of each row."""
    if word.lower().endswith(".csv"):
        with table.open("rb") as file:
            read = read_table(file, word, *([column] for column in COLUMNS))
            column = next(each for each in COLUMNS if each in read.columns)
            yield from ((line, row[column].strip()) for line, row in read.rows)
        return
    try:
        with pq.ParquetFile(table, pre_buffer=False) as rows:
            names = rows.schema_arrow.names
            column = next((each for each in COLUMNS if each in names), "")
            if not column:
                raise BadInputError(f"{word}: expected a column {' or '.join(COLUMNS)}; found {','.join(names)}")
            batches = rows.iter_batches(BATCH, columns=[column], use_threads=False)
            values = chain.from_iterable(batch.column(column).to_pylist() for batch in batches)
            yield from ((line, str(value or "").strip()) for line, value in enumerate(values, start=1))
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(f"{word}: cannot be read as Parquet ({str(error).splitlines()[0]})") from None


def _table(word: str, scratch: Path) -> Path | None:
    """The table of that name on local disk; None where it is none."""
    if not is_table(word) or not _is_there(word):
        return None
    store, key = file_at(word)
    return local_copy(store.uri, key, scratch) if _is_far(word) else Path(word).expanduser()


def _is_there(word: str) -> bool:
    if not _is_far(word):
        return Path(word).expanduser().is_file()
    store, key = file_at(word)
    return store.stat(key) is not None


def _is_far(word: str) -> bool:
    return word.startswith("s3://")


def _file(name: str, path: str) -> SourceFile:
    """A file of this machine, whatever it is called."""
    folder, _, key = str(Path(path).absolute()).rpartition("/")
    if shown(key) != key or shown(folder) != folder:
        return _refused(name, UNNAMED)
    try:
        about = Path(path).stat()
    except OSError as error:
        return _refused(name, error.strerror or type(error).__name__)
    if not S_ISREG(about.st_mode):  # a pipe would be waited for
        return _refused(name, "not a file")
    return SourceFile(shown(name), about.st_size, None, None, Location(folder or "/", key))


def _refused(name: str, reason: str) -> SourceFile:
    return SourceFile(shown(name), 0, None, None, reason=reason)
