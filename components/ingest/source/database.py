"""Scratch tables on disk (SQLite), for all that grows with a source."""

import sqlite3
from pathlib import Path

CACHE_KB = 8192  # of pages that one connection keeps in memory


def open_database(path: Path, tables: str) -> sqlite3.Connection:
    """A new database for this process alone; a crash may lose what is in it, so nothing is synchronised."""
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KB}", "locking_mode = EXCLUSIVE"):
        database.execute(f"PRAGMA {pragma}")
    # Large sorts go to files beside the database, not to a /tmp that may be memory.
    database.execute(f"PRAGMA temp_store_directory = '{str(path.parent).replace(chr(39), chr(39) * 2)}'")
    database.executescript(tables)
    database.execute("BEGIN")
    return database
