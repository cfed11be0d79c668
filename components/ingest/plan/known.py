"""The source files that the version before was made of, by etag: their images need not be read again."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from components.ingest.previous.ids import KnownIds
from components.ingest.previous.version import PreviousVersion
from components.ingest.source.database import open_database
from components.ingest.source.locations import SourceFile

TABLES = "CREATE TABLE known (key TEXT PRIMARY KEY, size INTEGER, etag TEXT, id TEXT) WITHOUT ROWID;"


class KnownFiles:
    """A table on disk, for this process alone; empty where the source's store tells no etags."""

    def __init__(self, path: Path, previous: PreviousVersion, known: KnownIds) -> None:
        """known: the ids whose stored bytes serve again."""
        self.is_empty = previous.sources is None
        self.db = open_database(path, TABLES)
        self.db.executemany(
            "INSERT INTO known VALUES (?,?,?,?)", (row for row in previous.catalogue() if row[3] in known)
        )

    def told(self, files: Iterable[SourceFile]) -> Iterator[SourceFile]:
        """The same files, those that have not changed with the id of their bytes."""
        if self.is_empty:
            yield from files
            return
        for file in files:
            row = self.db.execute(
                "SELECT id FROM known WHERE key = ? AND size = ? AND etag = ?", (file.key, file.size, file.etag)
            ).fetchone()
            yield file._replace(known=row[0]) if row else file

    def close(self) -> None:
        self.db.close()
