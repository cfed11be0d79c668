"""The versions of a dataset as they lie in a store, and the shards and thumbnails of them made anew without images."""

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from components.common.artifacts import Dataset, Shard, load_dataset
from components.common.data.shards import BLOCK, index_key, index_text
from components.common.files import sha256_bytes
from components.common.forgotten import version_key
from components.common.parquet import read_table
from components.common.storage import Store
from components.forget.hand import Hand
from components.forget.rules import Gone, table_without
from components.forget.shards import Anew, image_of, members_of, pack_anew, read_header

VERSION = re.compile(r"datasets/([^/]+)/([0-9a-f]{64})/([^/]+)")
KEPT = re.compile(r"datasets/([^/]+)/(?:shards|thumbnails|looks)/[^/]+")
ABOUT, TABLE = "dataset.json", "index.parquet"


class Version(NamedTuple):
    """A version as it lies in the store."""

    data: Dataset
    about: dict[str, Any]
    thumbnails: tuple[Shard, ...]
    files: tuple[str, ...]

    @property
    def folder(self) -> str:
        return f"datasets/{self.data.name}/{self.data.id}"


class Tables(NamedTuple):
    """What took the place of shards and tables of thumbnails, by key; None where nothing is left."""

    shards: dict[str, tuple[Shard, Anew] | None]
    thumbnails: dict[str, Shard | None]


def versions_in(store: Store, name: str) -> list[Version]:
    """The versions of a dataset, the oldest first, so that those made anew have the same order of age.

    One whose shards are gone, and that the pointer does not name, is none: its ingest ended when it saw a tombstone.
    """
    listed = list(store.list(f"datasets/{name}/"))
    there = {stat.key for stat in listed}
    found: dict[str, dict[str, float]] = {}
    for stat in listed:
        if match := VERSION.fullmatch(stat.key):
            found.setdefault(match[2], {})[match[3]] = stat.modified
    whole = [(which, files) for which, files in found.items() if {ABOUT, TABLE} <= files.keys()]
    latest = f"datasets/{name}/latest.json"
    pointed = json.loads(store.read(latest))["id"] if latest in there else ""
    versions = [
        _version(store, name, which, tuple(sorted(files)))
        for which, files in sorted(whole, key=lambda one: (one[1][ABOUT], one[0]))
    ]
    return [
        version
        for version in versions
        if version.data.id == pointed or {part.key for part in (*version.data.shards, *version.thumbnails)} <= there
    ]


def _version(store: Store, name: str, version: str, files: tuple[str, ...]) -> Version:
    folder = f"datasets/{name}/{version}"
    with tempfile.TemporaryDirectory(prefix="gleaner-forget-") as scratch:
        for file in (ABOUT, TABLE):
            (Path(scratch) / file).write_bytes(store.read(f"{folder}/{file}"))
        data = load_dataset(Path(scratch))
        about = json.loads((Path(scratch) / ABOUT).read_bytes())
    tables = about.get("thumbnails", about.get("looks", ()))  # earlier versions called them looks
    return Version(data, about, tuple(Shard(**table) for table in tables), files)


def any_of(column: pa.ChunkedArray, ids: frozenset[str]) -> bool:
    """Whether one of the images stands in a column of ids."""
    return bool(pc.any(pc.is_in(column, pa.array(sorted(ids), pa.string()))).as_py())


def shards(
    hand: Hand, there: list[Version], ids: frozenset[str], scratch: Path
) -> dict[str, tuple[Shard, Anew] | None]:
    """The shards that hold one of the images, packed anew and added."""
    live: dict[str, dict[int, int]] = {}
    known: dict[str, Shard] = {}
    holding: set[str] = set()
    for version in there:
        data = version.data
        for number, shard in enumerate(data.shards):
            rows = data.index.filter(pc.equal(data.index["shard"], number))
            known[shard.key] = shard
            places = zip(rows["offset"].to_pylist(), rows["size"].to_pylist(), strict=True)
            live.setdefault(shard.key, {}).update(places)
            if any_of(rows["id"], ids):
                holding.add(shard.key)
    made: dict[str, tuple[Shard, Anew] | None] = {}
    for key, shard in known.items():
        if key not in holding:
            dead = members_of(hand.store, key, shard.size, live[key])
            if not any(image_of(member.name) in ids for member in dead):
                continue
        made[key] = _add_shard(hand, shard, ids, scratch)
    return made


def _add_shard(hand: Hand, shard: Shard, ids: frozenset[str], scratch: Path) -> tuple[Shard, Anew] | None:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    anew = pack_anew(hand.store, shard, ids, folder)
    if anew.packed is None:
        return None
    key = _renamed(shard.key, shard.sha256, anew.packed.sha256)
    hand.add(key, anew.packed.path)
    hand.add(index_key(key), index_text(anew.packed.members).encode("ascii"))
    for path in folder.iterdir():
        path.unlink()
    return Shard(key, anew.packed.sha256, anew.packed.size, shard.images), anew


def _renamed(key: str, before: str, now: str) -> str:
    stem, dot, ending = key.rpartition(".")
    return key.replace(before, now) if before in key else f"{stem}-{now}{dot}{ending}"


def thumbnails(hand: Hand, there: list[Version], ids: frozenset[str], scratch: Path) -> dict[str, Shard | None]:
    """The tables of thumbnails that hold one of the images, made anew and added."""
    made: dict[str, Shard | None] = {}
    for table in {table.key: table for version in there for table in version.thumbnails}.values():
        data = table_without(hand.store.read_verified(table.key, table.sha256, table.size), Gone(ids))
        if data is None:
            continue
        digest = sha256_bytes(data)
        anew = Shard(_renamed(table.key, table.sha256, digest), digest, len(data), len(read_table(data)))
        if anew.images:
            hand.add(anew.key, data)
        made[table.key] = anew if anew.images else None
    return made


def clear(hand: Hand, name: str, there: list[Version], gone: set[str], ids: frozenset[str]) -> None:
    """Remove what no version names and yet holds one of the images: shards and thumbnails of ingests that did not end,
    and the rest of versions that a kill left half removed.
    """
    named = {shard.key for version in there for shard in (*version.data.shards, *version.thumbnails)} | gone
    named |= {index_key(key) for key in named if key.endswith(".tar")}
    whole = {version.folder for version in there}
    noted = {stat.key for stat in hand.store.list(version_key(name, "").removesuffix(".json"))}
    parts: dict[str, list[str]] = {}
    for stat in list(hand.store.list(f"datasets/{name}/")):
        if VERSION.fullmatch(stat.key) and stat.key.rpartition("/")[0] not in whole:
            parts.setdefault(stat.key.rpartition("/")[0], []).append(stat.key)
        elif KEPT.fullmatch(stat.key) and stat.key not in named and _is_held(hand.store, stat.key, ids):
            hand.delete(stat.key)
    for folder, keys in parts.items():
        is_gone = version_key(name, folder.rpartition("/")[2]) in noted
        if is_gone or any(_is_held(hand.store, key, ids) for key in keys):
            for key in sorted(keys, key=lambda key: not key.endswith(f"/{ABOUT}")):
                hand.delete(key)


def _is_held(store: Store, key: str, ids: frozenset[str]) -> bool:
    data = store.read(key)
    if key.endswith(".tar"):
        return any(image_of(name) in ids for name in _member_names(data))
    if key.endswith(".parquet"):
        return table_without(data, Gone(ids)) is not None
    return Gone(ids).in_bytes(data)


def _member_names(data: bytes) -> Iterator[str]:
    at = 0
    while data[at : at + 1] not in (b"", b"\0"):
        name, size = read_header(data[at : at + BLOCK])
        yield name
        at += BLOCK + -(-size // BLOCK) * BLOCK
