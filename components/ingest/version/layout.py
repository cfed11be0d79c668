"""Lay out the images of a version in shards: repack those that moved to another split or lie in sparse shards; write
the index.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.artifacts import INDEX, SPLITS, Shard
from components.common.attributes import FILE as ATTRIBUTES
from components.common.data.identity import ROWS, rows_text, version_id
from components.common.data.shards import BLOCK, Member, ShardWriter, index_text
from components.common.files import new_file
from components.common.storage import Store
from components.ingest.pack.packing import upload_shards
from components.ingest.previous.version import PreviousVersion
from components.ingest.version.attributes import write_attributes
from components.ingest.version.inventory import Inventory

DEAD_SHARE = 0.5  # of a shard, above which its images are packed anew: a version should not fetch what it does not name
INDEX_QUERY = """SELECT id, holder, offset, size, width, height, split, label, team AS "group", source, text
    FROM images WHERE aside = '' ORDER BY id"""


@dataclass(frozen=True)
class Version:
    """A dataset as it will be published."""

    id: str
    name: str
    mode: str
    classes: tuple[str, ...]
    counts: dict[str, int]  # images by split
    shards: tuple[Shard, ...]
    thumbnails: tuple[Shard, ...]
    fresh: tuple[Shard, ...]  # shards that no earlier version has
    index: Path
    attributes: str  # digest of attributes.parquet beside the index; empty where there is none


def settle(inventory: Inventory, previous: PreviousVersion, store: Store, folder: Path, shard_size: int) -> None:
    """Pack anew the images whose shard is of another split than their group, or mostly dead."""
    sparse = {
        number
        for number, shard in enumerate(previous.shards)
        if 0 < _live_bytes(inventory, number) < (1 - DEAD_SHARE) * shard.size
    }
    wrong = {
        (holder, split)
        for holder, of in enumerate(inventory.splits)
        for split in SPLITS
        if holder in sparse or (of and split != of)
    }
    inventory.db.execute("CREATE TEMP TABLE wrong (holder INTEGER, split TEXT, PRIMARY KEY (holder, split))")
    inventory.db.executemany("INSERT INTO wrong VALUES (?,?)", sorted(wrong))
    moving = "FROM images JOIN wrong USING (holder, split) WHERE aside = ''"
    if not inventory.one(f"SELECT COUNT(*) {moving}"):
        return
    moved: list[tuple[Any, ...]] = []
    with ExitStack() as stack:
        writers = {split: stack.enter_context(ShardWriter(folder, split, shard_size)) for split in SPLITS}
        rows = inventory.rows(
            f"SELECT n, id, holder, offset, size, split, came_as, kept {moving} ORDER BY holder, offset"
        )
        for number, image, split, data, extension in _with_bytes(inventory, store, rows):
            moved.append((number, split, *writers[split].add(f"{image}.{extension}", data)))
    first: dict[str, int] = {}
    for split, shards in upload_shards(previous.name, writers, store).items():
        first[split] = len(inventory.holders)
        inventory.holders += shards
        inventory.splits += [split] * len(shards)
    inventory.db.executemany(
        "UPDATE images SET holder = ?, offset = ? WHERE n = ?",
        ((first[split] + shard, offset, number) for number, split, shard, offset in moved),
    )


def write_version(inventory: Inventory, mode: str, previous: PreviousVersion, path: Path) -> Version:
    """Write the index to `path`, and attributes beside it; equal contents on equal previous versions have an equal id,
    wherever they are kept.
    """
    used = dict(inventory.rows("SELECT holder, COUNT(*) FROM images WHERE aside = '' GROUP BY holder"))
    order = sorted(
        used, key=lambda holder: (SPLITS.index(inventory.splits[holder]) if inventory.splits[holder] else -1, holder)
    )
    position = {holder: at for at, holder in enumerate(order)}
    shards = tuple(replace(inventory.holders[holder], images=used[holder]) for holder in order)
    has_text = inventory.count("images WHERE aside = '' AND text IS NOT NULL") > 0
    digest = hashlib.sha256()
    with new_file(path) as temporary, pq.ParquetWriter(temporary, INDEX, compression="zstd") as writer:
        for table in _tables(inventory, position):
            digest.update(rows_text(table, has_text))
            writer.write_table(table)
    named = inventory.rows("SELECT DISTINCT label FROM images WHERE aside = '' AND label IS NOT NULL ORDER BY label")
    classes = tuple(name for (name,) in named)
    attributes = write_attributes(inventory, path.with_name(ATTRIBUTES))
    version = version_id(digest.hexdigest(), shards, classes, mode, attributes)
    counts = dict(inventory.rows("SELECT split, COUNT(*) FROM images WHERE aside = '' GROUP BY split"))
    return Version(
        version,
        previous.name,
        mode,
        classes,
        {split: counts.get(split, 0) for split in SPLITS},
        shards,
        _live_thumbnails(inventory),
        tuple(shards[position[holder]] for holder in order if holder >= len(previous.shards)),
        path,
        attributes,
    )


def shard_index(inventory: Inventory, shard: Shard) -> str:
    """The index of a new shard for DALI and WebDataset; images that this version does not name are left out."""
    rows = inventory.rows(
        "SELECT id, offset, size, came_as, kept FROM images WHERE holder = ? AND aside = '' ORDER BY offset",
        (next(number for number, one in enumerate(inventory.holders) if one.sha256 == shard.sha256),),
    )
    return index_text(
        [Member(f"{image}.{_extension(came_as, kept)}", offset, size) for image, offset, size, came_as, kept in rows]
    )


def _tables(inventory: Inventory, position: dict[int, int]) -> Iterator[pa.Table]:
    cursor = inventory.db.execute(INDEX_QUERY)
    names = ["shard" if column[0] == "holder" else column[0] for column in cursor.description]
    while rows := cursor.fetchmany(ROWS):
        columns = dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True))
        columns["shard"] = [position[holder] for holder in columns["shard"]]
        yield pa.Table.from_pydict({name: columns[name] for name in INDEX.names}, schema=INDEX)


def _with_bytes(
    inventory: Inventory, store: Store, rows: Iterator[tuple[Any, ...]]
) -> Iterator[tuple[int, str, str, bytes, str]]:
    path = Path()
    held = -1
    for number, image, holder, offset, size, split, came_as, kept in rows:
        if holder != held:
            if held >= 0:
                store.let_go(path)
            shard = inventory.holders[holder]
            path = store.local(shard.key, shard.sha256, shard.size)
            held = holder
        with path.open("rb") as file:
            file.seek(offset)
            yield number, image, split, file.read(size), _extension(came_as, kept)
    if held >= 0:
        store.let_go(path)


def _live_bytes(inventory: Inventory, holder: int) -> int:
    query = (
        f"SELECT COALESCE(SUM({BLOCK} + (size + {BLOCK - 1}) / {BLOCK} * {BLOCK}), 0) FROM images WHERE holder = ? "
        ""
        ""
        ""
        ""
        ""
        "AND aside = ''"
    )
    return int(inventory.one(query, (holder,)))


def _live_thumbnails(inventory: Inventory) -> tuple[Shard, ...]:
    used = {number for (number,) in inventory.rows("SELECT DISTINCT thumbnail_table FROM images WHERE aside = ''")}
    return tuple(table for number, table in enumerate(inventory.thumbnails) if number in used)


def _extension(came_as: str, kept: int) -> str:
    return "jpg" if kept and not came_as.startswith("PNG") else "png"
