"""Tables on disk of a source's files and images, in which the parts of a plan are joined to a version."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.common.artifacts import Shard
from components.common.storage import Store
from components.ingest.duplicates.thumbnails import SIDE, contrast
from components.ingest.pack.packing import RESULT, Part
from components.ingest.previous.ids import KnownIds
from components.ingest.previous.version import PreviousVersion
from components.ingest.source.database import open_database
from components.ingest.source.splits import HELD_OUT

BATCH, LOOKED = 1024, 256  # rows, and thumbnails, held at a time
FILE = RESULT.names.index("split")  # columns of a result about the file itself; the others say where it is stored
PIXELS = SIDE * SIDE  # bytes of a thumbnail
TABLES = """
CREATE TABLE files (n INTEGER PRIMARY KEY, key TEXT, size INTEGER, etag TEXT, id TEXT, reason TEXT, label TEXT,
    given TEXT, rank INTEGER, text TEXT, text_reason TEXT, passed TEXT, other TEXT, attributes TEXT);
CREATE TABLE attributes (id TEXT PRIMARY KEY, told TEXT) WITHOUT ROWID;
CREATE TABLE contradicted (key TEXT, label TEXT, PRIMARY KEY (key, label)) WITHOUT ROWID;
CREATE TABLE before (id TEXT PRIMARY KEY, split TEXT, team TEXT) WITHOUT ROWID;
CREATE TABLE stored (id TEXT PRIMARY KEY, holder INTEGER, offset INTEGER, size INTEGER, width INTEGER, height INTEGER,
    split TEXT) WITHOUT ROWID;
"""
# `team` is the group of copies (GROUP is a word of SQL), `part` the n of the first of its near-duplicates in it. The
# kept copy is the first by rank and key: SQLite takes the other columns from the row of a lone MIN. A label stands
# where all copies that have one agree.
IMAGES = """
CREATE INDEX files_by_id ON files (id);
CREATE TABLE images AS
WITH kept AS (SELECT id, key, given, MIN(rank || ' ' || key), COUNT(*) AS copies FROM files WHERE id IS NOT NULL
        GROUP BY id),
     called AS (SELECT id, COUNT(DISTINCT label) AS labels, MAX(label) AS label FROM files WHERE id IS NOT NULL
        GROUP BY id),
     said AS (SELECT id, text, MIN(rank || ' ' || key) FROM files WHERE text IS NOT NULL GROUP BY id)
SELECT ROW_NUMBER() OVER (ORDER BY s.id) - 1 AS n, s.id, holder, offset, s.size, width, height,
    COALESCE(b.split, s.split) AS split,
    COALESCE(b.team, s.id) AS team, b.id IS NOT NULL AS old, '' AS aside, k.key AS source,
    CASE labels WHEN 1 THEN label END AS label, labels, given, said.text, copies,
    0 AS part, 0 AS thumbnail_table, '' AS came_as, 1 AS kept, 0.0 AS brightness, 0.0 AS contrast
FROM stored s JOIN kept k USING (id) JOIN called USING (id) LEFT JOIN said USING (id) LEFT JOIN before b USING (id)
ORDER BY s.id;
UPDATE images SET part = n;
CREATE UNIQUE INDEX by_n ON images (n);
CREATE UNIQUE INDEX by_id ON images (id);
CREATE INDEX by_team ON images (team);
CREATE INDEX by_part ON images (part);
CREATE INDEX by_holder ON images (holder, offset);
"""


class Picture(NamedTuple):
    """Where the bytes of an image lie."""

    shard: Shard
    offset: int
    size: int


class Inventory:
    """Files, the shards that hold their images, and the images as they will stand in the index."""

    def __init__(self, folder: Path) -> None:
        self.db: sqlite3.Connection = open_database(folder / "inventory.db", TABLES)
        self.holders: list[Shard] = []
        self.splits: list[str] = []  # of each holder; empty for those of an earlier version
        self.thumbnails: list[Shard] = []
        self.brought: frozenset[str] = frozenset()
        self.empty: tuple[str, ...] = ()  # classes whose folders hold no file
        self.attributes: tuple[str, ...] = ()  # columns of a table that are kept

    def add_previous(self, previous: PreviousVersion, known: KnownIds) -> None:
        """Groups and splits of an earlier version, and the places of its images whose bytes serve again."""
        self.holders += previous.shards
        self.splits += [""] * len(previous.shards)
        self.db.executemany("INSERT INTO before VALUES (?,?,?)", ((row[0], row[6], row[7]) for row in previous.rows()))
        if known:
            self.thumbnails += previous.thumbnails
            self.db.executemany(
                "INSERT INTO stored VALUES (?,?,?,?,?,?,?)", (row[:7] for row in previous.rows() if row[0] in known)
            )

    def add_part(self, part: Part) -> None:
        """What became of a part; parts come in order, so that the first place of an image counts."""
        numbers: dict[tuple[str, int], int] = {}
        for split, shards in part.shards.items():
            for at, shard in enumerate(shards):
                numbers[split, at] = len(self.holders)
                self.holders.append(shard)
                self.splits.append(split)
        if part.thumbnails:
            self.thumbnails.append(part.thumbnails)
        with pq.ParquetFile(part.result) as file:
            for batch in file.iter_batches(BATCH):
                rows = list(zip(*(batch.column(name).to_pylist() for name in RESULT.names), strict=True))
                marks = ",".join("?" * FILE)
                self.db.executemany(f"INSERT INTO files VALUES (NULL,{marks})", (row[:FILE] for row in rows))
                stored = ((row[3], *row[FILE:]) for row in rows if row[FILE] is not None)
                self.db.executemany(
                    "INSERT OR IGNORE INTO stored VALUES (?,?,?,?,?,?,?)",
                    ((image, numbers[split, shard], *place, split) for image, split, shard, *place in stored),
                )

    def add_contradictions(self, told: Iterable[tuple[str, str]]) -> None:
        """Files that a table labels differently, with each of their labels."""
        self.db.executemany("INSERT INTO contradicted VALUES (?,?)", told)

    def join(self) -> int:
        """Make the table of images, by id; returns their number. An old image that its source moves to a held-out split
        is set aside.
        """
        for statement in IMAGES.split(";"):
            self.db.execute(statement)
        self.db.execute(
            "UPDATE images SET label = NULL, labels = MAX(labels, 2) "
            "WHERE id IN (SELECT id FROM files JOIN contradicted USING (key))"
        )
        marks = ",".join("?" * len(HELD_OUT))
        self.db.execute(
            f"UPDATE images SET aside = 'before' WHERE old AND given IN ({marks}) AND given <> split", HELD_OUT
        )
        return self.count("images")

    def add_thumbnails(self, store: Store, file: Path) -> None:
        """Write the thumbnail of image n at n * PIXELS of a file, and note its brightness and contrast."""
        with file.open("wb") as out:
            out.truncate(self.count("images") * PIXELS)
            for number, table in enumerate(self.thumbnails):
                path = store.local(table.key, table.sha256, table.size)
                with pq.ParquetFile(path) as rows:
                    for batch in rows.iter_batches(LOOKED):
                        self._add_batch(number, batch, out.fileno())
                store.let_go(path)

    def _add_batch(self, table: int, batch: pa.RecordBatch, file: int) -> None:
        thumbnails = batch.column("thumbnail").to_pylist()
        pixels = np.frombuffer(b"".join(thumbnails), np.uint8).reshape(len(thumbnails), SIDE, SIDE)
        brightness, contrasts = (
            np.round(values, 3).tolist() for values in (pixels.sum((1, 2), dtype=np.int64) / PIXELS, contrast(pixels))
        )
        facts = zip(
            batch.column("came_as").to_pylist(), batch.column("kept").to_pylist(), brightness, contrasts, strict=True
        )
        seen = []
        for image, fact, thumbnail in zip(batch.column("id").to_pylist(), facts, thumbnails, strict=True):
            found = self.db.execute("SELECT n FROM images WHERE id = ?", (image,)).fetchone()
            if found:
                os.pwrite(file, thumbnail, found[0] * PIXELS)
                seen.append((table, *fact, found[0]))
        self.db.executemany(
            "UPDATE images SET thumbnail_table = ?, came_as = ?, kept = ?, brightness = ?, contrast = ? WHERE n = ?",
            seen,
        )

    def fresh(self) -> np.ndarray:
        """bool (images,): those that no earlier version has."""
        return np.fromiter(
            (not old for (old,) in self.db.execute("SELECT old FROM images ORDER BY n")), bool, self.count("images")
        )

    def count(self, what: str) -> int:
        return int(self.one(f"SELECT COUNT(*) FROM {what}"))

    def one(self, query: str, values: tuple[Any, ...] = ()) -> Any:
        return self.db.execute(query, values).fetchone()[0]

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        return iter(self.db.execute(query, values))

    def named(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[dict[str, Any]]:
        """The rows of a query as dictionaries."""
        cursor = self.db.execute(query, values)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    def picture(self, image: str) -> Picture:
        holder, offset, size = self.db.execute(
            "SELECT holder, offset, size FROM images WHERE id = ?", (image,)
        ).fetchone()
        return Picture(self.holders[holder], offset, size)

    def close(self) -> None:
        self.db.close()
