"""The listing of a source in a database on disk, so that memory does not grow with the number of files."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from components.ingest.source.database import open_database
from components.ingest.source.filenames import MAYBE, NO, YES, extension_of, is_image, named_kind
from components.ingest.source.locations import Location, SourceFile, as_text, from_text, shown

TABLES = """
CREATE TABLE entries (key TEXT PRIMARY KEY, path TEXT, extension TEXT, size INTEGER, etag TEXT, location TEXT,
    label TEXT, text TEXT, line INTEGER, image INTEGER, attributes TEXT, used INTEGER DEFAULT 0) WITHOUT ROWID;
CREATE TABLE folders (key TEXT PRIMARY KEY, path TEXT) WITHOUT ROWID;
CREATE TABLE csv (path TEXT PRIMARY KEY, label TEXT, line INTEGER) WITHOUT ROWID;
CREATE TABLE contradicted (key TEXT, label TEXT, line INTEGER, PRIMARY KEY (key, label)) WITHOUT ROWID;
CREATE TABLE refused (key TEXT, reason TEXT);
CREATE TABLE images (rank INTEGER, archive TEXT, shuffle TEXT, key TEXT, label TEXT, given TEXT, text TEXT,
    text_location TEXT);
"""

TOP = "CASE instr(path, '/') WHEN 0 THEN '' ELSE substr(path, 1, instr(path, '/') - 1) END"
ENTRY = "key, path, size, etag, location, label, text, line, image, attributes"
CLASS_DEPTH = 2  # of folders that may be classes: below the source, or below a folder that is a split
HIDDEN_FILES, BAD_NAMES = "hidden files of tools", "with names that are not UTF-8"


class Entry(NamedTuple):
    """A file of the source, of whatever kind."""

    key: str
    path: str  # its key; in an archive, where it would lie if the archive were unpacked beside itself
    size: int  # bytes; 0 where nobody has looked
    etag: str
    location: Location | None = None
    label: str | None = None  # what an archive or a table says
    text: str | None = None
    line: int = 0  # of a table
    image: int = NO  # whether it is one, by its name: NO, MAYBE or YES
    attributes: str | None = None  # what a table says besides, see attributes.py


class Listing:
    """The files of one source; `store`: where keys without a location of their own lie."""

    def __init__(self, folder: Path, store: str) -> None:
        self.db = open_database(folder / "listing.db", TABLES)
        self.store = store
        self.brought: frozenset[str] = frozenset()  # the splits that the source's own folders give
        self.attributes: tuple[str, ...] = ()  # columns of a table that are kept
        self.warnings: list[str] = []
        self.empty: tuple[str, ...] = ()  # classes whose folders hold no file
        self.others: Counter[str] = Counter()  # files that are not even listed, by kind

    def add(self, entries: Iterable[Entry]) -> None:
        """Later entries replace earlier ones of the same key; names that are no text are refused."""
        rows = (_row(entry) for entry in entries if self._is_named(entry))
        self.db.executemany("INSERT OR REPLACE INTO entries VALUES (?,?,?,?,?,?,?,?,?,?,?,0)", rows)

    def add_named(self, entry: Entry) -> None:
        """An entry whose location stands in a table, whatever its key looks like."""
        self.db.execute("INSERT INTO entries VALUES (?,?,?,?,?,?,?,?,?,?,?,0)", (shown(entry.key), *_row(entry)[1:]))

    def add_folder(self, key: str, path: str) -> None:
        """A folder that may be a class, whether or not anything lies in it."""
        if path.count("/") < CLASS_DEPTH and shown(key) == key:
            self.db.execute("INSERT OR IGNORE INTO folders VALUES (?,?)", (key, path))

    def refuse(self, key: str, reason: str) -> None:
        self.db.execute("INSERT INTO refused VALUES (?,?)", (shown(key), reason))

    def contradict(self, key: str, *told: tuple[str, int]) -> None:
        """Say that lines of a table (label, line) disagree about an image."""
        self.db.executemany("INSERT OR IGNORE INTO contradicted VALUES (?,?,?)", ((key, *one) for one in told))

    def contradictions(self) -> Iterator[tuple[str, list[tuple[str, int]]]]:
        """Images that lines of a table disagree about, and of each label the first line."""
        rows = self.db.execute("SELECT key, label, line FROM contradicted ORDER BY key, line")
        for key, told in groupby(rows, key=lambda row: str(row[0])):
            yield key, [(label, line) for _, label, line in told]

    def use(self, key: str) -> None:
        """Say that a file which is no image has served."""
        self.db.execute("UPDATE entries SET used = 1 WHERE key = ?", (key,))

    def __contains__(self, key: object) -> bool:
        return self.entry(str(key)) is not None

    def entry(self, key: str) -> Entry | None:
        row = self.db.execute(f"SELECT {ENTRY} FROM entries WHERE key = ?", (shown(key),)).fetchone()
        return None if row is None else _entry(row)

    def images(self) -> Iterator[Entry]:
        """Every file that is an image by its name, or may be one."""
        for row in self.db.execute(f"SELECT {ENTRY} FROM entries WHERE image"):
            yield _entry(row)

    def tops(self, image: int) -> set[str]:
        """The top folders of files that are images, or may be; "" for those that lie in none."""
        return {name for (name,) in self.db.execute(f"SELECT DISTINCT {TOP} FROM entries WHERE image = ?", (image,))}

    def first_unsure(self, count: int) -> Iterator[tuple[str, Entry]]:
        """Of each top folder, the first files that may be images."""
        ranked = f"SELECT *, {TOP} AS top, ROW_NUMBER() OVER (PARTITION BY {TOP} ORDER BY path) AS rank FROM entries"
        query = f"SELECT top, {ENTRY} FROM ({ranked} WHERE image = {MAYBE}) WHERE rank <= ? ORDER BY top, rank"
        for top, *row in self.db.execute(query, (count,)):
            yield top, _entry(tuple(row))

    def empty_folders(self) -> Iterator[str]:
        """Paths of folders under which no file lies, by path; hidden files are none."""
        within = "e.key > f.key || '/' AND e.key < f.key || '0'"  # 0 follows / in every alphabet of bytes
        query = f"SELECT path FROM folders f WHERE NOT EXISTS (SELECT 1 FROM entries e WHERE {within}) ORDER BY path"
        for (path,) in self.db.execute(query):
            yield path

    def holds(self, *extensions: str) -> bool:
        marks = ",".join("?" * len(extensions))
        return (
            self.db.execute(f"SELECT 1 FROM entries WHERE extension IN ({marks}) LIMIT 1", extensions).fetchone()
            is not None
        )

    def count(self, table: str = "entries") -> int:
        return int(self.db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])

    def ignored(self) -> Counter[str]:
        """Files that are no images by their names and have not served, by extension."""
        rows = self.db.execute(
            "SELECT extension, COUNT(*) FROM entries WHERE NOT image AND NOT used GROUP BY extension"
        )
        return Counter({named_kind(extension): count for extension, count in rows}) + self.others

    def refusals(self) -> Iterator[SourceFile]:
        for key, reason in self.db.execute("SELECT key, reason FROM refused ORDER BY key, reason"):
            yield SourceFile(key, 0, None, None, reason=reason)

    def files(self) -> Iterator[SourceFile]:
        """Every image, in the order in which it is read."""
        for row in self.db.execute(
            "SELECT i.key, e.size, i.label, i.given, e.location, i.text, i.text_location, e.etag, e.image, "
            "e.attributes FROM images i JOIN entries e USING (key) ORDER BY i.rank, i.archive, i.shuffle"
        ):
            key, size, label, given, location, text, text_location, etag, image, attributes = row
            beside = text if text is not None else from_text(text_location)
            place = from_text(location)
            yield SourceFile(key, size, label, given, place, beside, etag, is_image=image == YES, attributes=attributes)

    def _is_named(self, entry: Entry) -> bool:
        if shown(entry.key) == entry.key:
            return True
        if is_image(extension_of(entry.key)) == YES:
            self.refuse(entry.key, "its name is not UTF-8; rename it")
        else:
            self.others[BAD_NAMES] += 1
        return False


def _row(entry: Entry) -> tuple[Any, ...]:
    extension = extension_of(entry.key)
    return (
        entry.key,
        entry.path,
        extension,
        entry.size,
        entry.etag,
        as_text(entry.location),
        entry.label,
        entry.text,
        entry.line,
        is_image(extension),
        entry.attributes,
    )


def _entry(row: tuple[Any, ...]) -> Entry:
    key, path, size, etag, location, *rest = row
    return Entry(key, path, size, etag, from_text(location), *rest)
