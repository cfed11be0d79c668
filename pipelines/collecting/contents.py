"""List what runs have left in a store, in a table on disk, so that memory does not grow with the objects.

Objects are counted in things that come and go as one: a shard with its index, a plan with its parts, a set of
candidates. What lies under other names is somebody else's, and is not even listed.

    datasets/<name>/latest.json                       pointer
    datasets/<name>/<id>/…                            version
    datasets/<name>/shards/<split>-<sha256>.tar .idx  shard
    datasets/<name>/{thumbnails,looks}/<sha256>.parquet  thumbnails
    datasets/<name>/plans/<key>/…                     plan
    datasets/<name>/listings/<key>/<id>.json          listing: says which versions runs were given; never removed
    candidates/<name>/<digest>/…                      candidates
    embeddings/<name>/<digest>/…                      embeddings: slices, which sample makes again where they are gone
    checkpoints/<stage>/…                             checkpoint
    jobs/<stage>/<key>-<pod>/…                        job
    labels/<name>/<round>-<digest>.parquet, renamings/*, versions/*  answer: what people said; never removed, nor read
    labels/…/*.json, releases/…/release.json          labels, release: read, never removed
    rounds/<name>/<round>-<digest>.json               round: what came of it; never removed
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from components.common.storage import Store

HEX = "[0-9a-f]{64}"
KINDS = {  # kind -> pattern of its keys, of which group 1 is the thing and `owner` what it belongs to
    kind: re.compile(pattern)
    for kind, pattern in (
        ("pointer", r"(datasets/(?P<owner>[^/]+)/latest\.json)"),
        ("version", rf"(datasets/(?P<owner>[^/]+)/{HEX})/[^/]+"),
        (
            "shard",
            rf"(datasets/(?P<owner>[^/]+)/shards/(?:train|validation|calibration|test)-{HEX})\.(?:tar|idx)",
        ),
        ("thumbnails", rf"(datasets/(?P<owner>[^/]+)/(?:thumbnails|looks)/{HEX})\.parquet"),
        ("plan", rf"(datasets/(?P<owner>[^/]+)/plans/{HEX})/.+"),
        ("listing", rf"(datasets/(?P<owner>[^/]+)/listings/{HEX}(?:\.\d+)?/{HEX})\.json"),
        ("candidates", r"(candidates/(?P<owner>[^/]+)/[0-9a-f]{12})/[^/]+"),
        ("embeddings", rf"(embeddings/(?P<owner>[^/]+)/[0-9a-f]{{12}}/\d+-\d+-{HEX}\.npy)"),
        ("checkpoint", r"(checkpoints/(?P<owner>[^/]+)/.+)"),
        ("job", r"(jobs/(?P<owner>[^/]+)/[0-9a-f]{12}(?:-[^/]+)?)/.+"),
        (
            "answer",
            r"(labels/(?P<owner>[^/]+)/(?:\d{4,}-[0-9a-f]{16}\.parquet|(?:renamings|versions)/[^/]+\.json))",
        ),
        ("round", r"(rounds/(?P<owner>[^/]+)/\d{4,}-[0-9a-f]{12}\.json)"),
        ("labels", r"(labels/(?P<owner>[^/]+)/.*\.json)"),
        ("release", r"(releases/(?P<owner>[^/]+)/[^/]+/release\.json)"),
    )
}
PREFIXES = ("datasets/", "candidates/", "embeddings/", "checkpoints/", "jobs/", "labels/", "releases/", "rounds/")
TABLES = """
CREATE TABLE objects (key TEXT PRIMARY KEY, kind TEXT, owner TEXT, thing TEXT, size INTEGER, modified REAL)
    WITHOUT ROWID;
CREATE TABLE named (thing TEXT PRIMARY KEY) WITHOUT ROWID;
"""
THINGS = """
CREATE TABLE things AS SELECT thing, kind, owner, SUM(size) AS size, COUNT(*) AS objects, MAX(modified) AS modified
    FROM objects GROUP BY thing;
CREATE INDEX things_by_kind ON things (kind, owner);
CREATE INDEX objects_by_thing ON objects (thing);
"""


class Object(NamedTuple):
    key: str
    kind: str
    owner: str  # dataset or stage
    thing: str
    size: int  # bytes
    modified: float  # seconds since 1970


class Thing(NamedTuple):
    """What is kept or removed as one; `key` is its object's, or the prefix that its objects share."""

    key: str
    kind: str
    owner: str
    size: int  # bytes
    objects: int
    modified: float  # of its youngest object


class Contents:
    """What was found, and the things among it that something names."""

    def __init__(self, store: Store, tick: Callable[[], None]) -> None:
        """List the store. tick: called for each object."""
        self.db = sqlite3.connect("")  # a file without a name, which ends with this process
        self.db.executescript(TABLES)
        self.db.executemany("INSERT OR REPLACE INTO objects VALUES (?,?,?,?,?,?)", _objects(store, tick))
        self.db.executescript(THINGS)

    def close(self) -> None:
        self.db.close()

    def name(self, things: Iterator[str]) -> None:
        self.db.executemany("INSERT OR IGNORE INTO named VALUES (?)", ((thing,) for thing in things))

    def owners(self, *kinds: str) -> list[str]:
        marks = ",".join("?" * len(kinds))
        return [
            owner
            for (owner,) in self.db.execute(
                f"SELECT DISTINCT owner FROM things WHERE kind IN ({marks}) ORDER BY owner",  # noqa: S608 (question marks)
                kinds,
            )
        ]

    def things(self, kind: str, owner: str | None = None) -> Iterator[Thing]:
        """Those of a kind, by key."""
        rows = self.db.execute(
            "SELECT thing, kind, owner, size, objects, modified FROM things "
            "WHERE kind = ? AND owner = COALESCE(?, owner) ORDER BY thing",
            (kind, owner),
        )
        return (Thing(*row) for row in rows)

    def unnamed(self, kind: str) -> Iterator[Thing]:
        return (thing for thing in self.things(kind) if not self.is_named(thing.key))

    def is_named(self, thing: str) -> bool:
        return self.db.execute("SELECT 1 FROM named WHERE thing = ?", (thing,)).fetchone() is not None

    def keys(self, thing: str) -> list[str]:
        return [key for (key,) in self.db.execute("SELECT key FROM objects WHERE thing = ? ORDER BY key", (thing,))]

    def modified(self, key: str) -> float | None:
        """When an object was written; None where there is none."""
        row: Any = self.db.execute("SELECT modified FROM objects WHERE key = ?", (key,)).fetchone()
        return row and row[0]


def _objects(store: Store, tick: Callable[[], None]) -> Iterator[Object]:
    """Plans come first, and once more with the rest: an ingest writes its version, then removes its plan. So whoever is
    not in flight when plans are listed has a version that is there when versions are.
    """
    for prefix, kinds in (("datasets/", {"plan"}), *((prefix, KINDS.keys()) for prefix in PREFIXES)):
        for stat in store.list(prefix):
            tick()
            for kind in kinds:
                if match := KINDS[kind].fullmatch(stat.key):
                    yield Object(stat.key, kind, match["owner"], match[1], stat.size, stat.modified)
                    break
