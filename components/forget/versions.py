"""Make the versions of datasets anew without some images: shards, thumbnails, index, and the pointer to the newest.

Everything is written under the digest of its contents before anything is removed, in this order: shards and
thumbnails, the new version, the note by which it is found from the old one, the pointer, and then the old version
goes, dataset.json first, and the shards that nothing names any more. A kill leaves the old version or the new one, and
the same work again ends in the same bytes.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common.artifacts import INDEX, Dataset, Shard, describe_dataset
from components.common.attributes import FILE as ATTRIBUTES
from components.common.attributes import digest_of
from components.common.data.identity import id_of
from components.common.data.shards import index_key
from components.common.files import json_text
from components.common.forgotten import replaced, version_key
from components.common.parquet import read_table, save_table
from components.common.storage import Store
from components.forget.hand import Hand
from components.forget.rules import Gone, json_without, table_without
from components.forget.tables import ABOUT, TABLE, Tables, Version, any_of, clear, shards, thumbnails, versions_in

SMALL = ("quality.json", "sources.parquet", ATTRIBUTES)  # what may lie beside them


def names_in(store: Store) -> list[str]:
    """Names of the datasets in a store."""
    return sorted({stat.key.split("/")[1] for stat in store.list("datasets/") if stat.key.count("/") > 1})


def forget_in_dataset(hand: Hand, name: str, ids: frozenset[str], when: str) -> set[str]:
    """Make anew whatever of a dataset holds one of the images; returns the ids of the versions that do."""
    versions = versions_in(hand.store, name)
    with tempfile.TemporaryDirectory(prefix="gleaner-forget-") as scratch:
        tables = Tables(shards(hand, versions, ids, Path(scratch)), thumbnails(hand, versions, ids, Path(scratch)))
        touched = [version for version in versions if _holds(version, tables, ids)]
        for version in touched:
            _replace(hand, version, tables, ids, when, Path(scratch))
    _point_on(hand, name)
    for version in touched:
        for file in sorted(version.files, key=lambda file: file != ABOUT):
            hand.delete(f"{version.folder}/{file}", anew=True)
    for key in (*tables.shards, *tables.thumbnails):
        hand.delete(key, anew=True)
        if key.endswith(".tar"):
            hand.delete(index_key(key), anew=True)
    clear(hand, name, versions, {*tables.shards, *tables.thumbnails}, ids)
    return {version.data.id for version in touched}


def _holds(version: Version, tables: Tables, ids: frozenset[str]) -> bool:
    return (
        any(shard.key in tables.shards for shard in version.data.shards)
        or any(table.key in tables.thumbnails for table in version.thumbnails)
        or any(any_of(version.data.index[column], ids) for column in ("id", "group"))
    )


def _replace(hand: Hand, version: Version, tables: Tables, ids: frozenset[str], when: str, scratch: Path) -> None:
    """Write the version without the images, and the note by which it is found from the old one."""
    held = version.data.index.filter(pc.is_in(version.data.index["id"], pa.array(sorted(ids), pa.string())))
    gone = Gone(ids, held["source"].to_pylist())
    data = _dataset(version, tables, ids)
    small = {name: hand.store.read(f"{version.folder}/{name}") for name in SMALL if name in version.files}
    if ATTRIBUTES in small:
        small[ATTRIBUTES] = table_without(small[ATTRIBUTES], gone) or small[ATTRIBUTES]
        data = replace(data, attributes=digest_of(read_table(small[ATTRIBUTES])))
    data = replace(data, id=id_of(data))
    if data.index.num_rows:
        folder = f"datasets/{data.name}/{data.id}"
        path = scratch / TABLE
        save_table(path, data.index, INDEX)
        hand.add(f"{folder}/{TABLE}", path)
        for name, contents in small.items():
            if name == "quality.json":
                found = {**json_without(json.loads(contents), gone), "dataset": data.id}
                contents = json_text(found).encode()
            hand.add(f"{folder}/{name}", table_without(contents, gone) or contents)
        anew = [tables.thumbnails.get(table.key, table) for table in version.thumbnails]
        about = _about(version, data, tuple(table for table in anew if table))
        hand.add(f"{folder}/{ABOUT}", json_text(about).encode())
    now = data.id if data.index.num_rows else ""
    note = {"format": 1, "now": now, "images": len(held) or len(ids), "when": when}
    hand.add(version_key(data.name, version.data.id), json_text(note).encode())


def _about(version: Version, data: Dataset, looks: tuple[Shard, ...]) -> dict[str, Any]:
    described = describe_dataset(
        data.name, data.id, data.mode, data.classes, data.counts(), data.shards, looks, data.attributes
    )
    return {**{key: value for key, value in version.about.items() if key != "looks"}, **described}


def _dataset(version: Version, tables: Tables, ids: frozenset[str]) -> Dataset:
    """The dataset without the images, its id yet to be found."""
    old = version.data
    index = old.index.filter(pc.invert(pc.is_in(old.index["id"], pa.array(sorted(ids), pa.string()))))
    index = _regrouped(index, ids)
    number, offset = (index[name].to_numpy().copy() for name in ("shard", "offset"))
    kept: list[Shard] = []
    numbers = np.full(len(old.shards), -1)
    for at, shard in enumerate(old.shards):
        rows = np.flatnonzero(index["shard"].to_numpy() == at)
        made = tables.shards.get(shard.key, (shard, None))
        if not len(rows) or made is None:
            continue
        if made[1] is not None:
            offset[rows] = [made[1].moved[place] for place in offset[rows].tolist()]
        numbers[at] = len(kept)
        kept.append(replace(made[0], images=len(rows)))
    columns = {"shard": pa.array(numbers[number], pa.int32()), "offset": pa.array(offset, pa.int64())}
    for name, column in columns.items():
        index = index.set_column(index.schema.get_field_index(name), name, column)
    classes = tuple(sorted({label for label in index["label"].to_pylist() if label is not None}))
    return replace(old, index=index.cast(INDEX), shards=tuple(kept), classes=classes)


def _regrouped(index: pa.Table, ids: frozenset[str]) -> pa.Table:
    """Groups that were named after one of the images are named after the first one that stays; splits stand beside."""
    groups = index["group"].to_pylist()
    named: dict[str, str] = {}
    for image, group in zip(index["id"].to_pylist(), groups, strict=True):
        if group in ids:
            named[group] = min(named.get(group, image), image)
    if not named:
        return index
    place = index.schema.get_field_index("group")
    return index.set_column(place, "group", pa.array([named.get(group, group) for group in groups], pa.string()))


def _point_on(hand: Hand, name: str) -> None:
    """Let the pointer name what replaced the versions that it names, whoever moves it meanwhile."""
    key = f"datasets/{name}/latest.json"
    while not hand.only_look and (stat := hand.store.stat(key)) is not None:
        about = json.loads(hand.store.read(key))
        now = {**about, **{which: _now(hand.store, name, about.get(which)) for which in ("id", "previous")}}
        if now == about:
            return
        if not now["id"]:
            hand.store.delete(key)
        elif not hand.store.replace_if_unchanged(key, json_text(now).encode(), stat.etag):
            continue
        return


def _now(store: Store, name: str, version: str | None) -> str | None:
    anew = replaced(store, name, version) if version else None
    return (anew.now or None) if anew else version
