"""Publish a version: write its files, then replace the pointer `latest.json` atomically."""

import json
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.artifacts import describe_dataset
from components.common.attributes import FILE as ATTRIBUTES
from components.common.data.shards import index_key
from components.common.errors import BadInputError
from components.common.files import json_text, new_file, write_json, write_text
from components.common.forgotten import forgotten_ids, replaced
from components.common.storage import Store
from components.ingest.plan.planning import MARK, batch_of, mark_key, plan_folder
from components.ingest.previous.version import PreviousVersion, ids_of, latest_key, load_previous
from components.ingest.settings import IngestSettings
from components.ingest.version.inventory import Inventory
from components.ingest.version.layout import Version, shard_index

ROWS = 4096  # of the catalogue held at a time
CATALOGUE = pa.schema([("key", pa.string()), ("size", pa.int64()), ("etag", pa.string()), ("id", pa.string())])
CATALOGUED = """SELECT f.key, f.size, f.etag, f.id FROM files f JOIN images i USING (id)
    WHERE i.aside = '' AND f.etag <> '' ORDER BY f.key"""


def write_dataset(folder: Path, version: Version, quality: dict[str, Any], html: str) -> None:
    """The artifact: what every other stage reads."""
    (folder / "index.parquet").write_bytes(version.index.read_bytes())
    if version.attributes:
        (folder / ATTRIBUTES).write_bytes(version.index.with_name(ATTRIBUTES).read_bytes())
    write_json(folder / "quality.json", quality)
    write_json(
        folder / "dataset.json",
        describe_dataset(
            version.name,
            version.id,
            version.mode,
            version.classes,
            version.counts,
            version.shards,
            version.thumbnails,
            version.attributes,
        ),
    )
    write_text(folder / "report.html", html)


def publish(
    folder: Path, version: Version, inventory: Inventory, is_far: bool, previous: PreviousVersion, store: Store
) -> None:
    """Write what describes the version beside its shards, its dataset.json after all else, then let latest.json name
    it.

    A file of a version is never replaced: equal ids mean equal contents. Raises BadInputError where another ingest has
    published another version meanwhile.
    """
    root = f"datasets/{version.name}/{version.id}"
    for shard in version.fresh:
        store.write_if_absent(index_key(shard.key), shard_index(inventory, shard).encode("ascii"))
    if is_far:
        store.write_if_absent(f"{root}/sources.parquet", _catalogue(inventory))
    for name in ("index.parquet", "quality.json", *([ATTRIBUTES] if version.attributes else [])):
        store.write_if_absent(f"{root}/{name}", (folder / name).read_bytes())
    about = (folder / "dataset.json").read_bytes()
    is_new = store.write_if_absent(f"{root}/dataset.json", about)
    _stop_if_forgotten(version, store)
    if previous.id != version.id:
        if not is_new:  # a version that comes back: equal bytes, whose time says when it was the newest
            store.write(f"{root}/dataset.json", about)
        pointer = json_text({"format": 1, "id": version.id, "previous": previous.id or None}).encode()
        if not store.replace_if_unchanged(latest_key(version.name), pointer, previous.pointer):
            _agree(version, store)
    _stop_if_forgotten(version, store)


def _stop_if_forgotten(version: Version, store: Store) -> None:
    """BadInputError where an image of the version was forgotten while it was made.

    Whoever forgets writes a tombstone, then looks for versions, notes what replaces this one, and then moves the
    pointer. So where it has not seen dataset.json, the tombstone is seen here before the pointer is written; where it
    has not seen the pointer, the note is seen here after it.
    """
    forgotten = forgotten_ids(store)
    if forgotten and any(image in forgotten for image in ids_of(version.index)):
        stat = store.stat(latest_key(version.name))
        pointer = json.loads(store.read(latest_key(version.name))) if stat else {}
        anew = replaced(store, version.name, version.id)
        if stat and anew and anew.now and pointer["id"] == version.id:
            store.replace_if_unchanged(stat.key, json_text({**pointer, "id": anew.now}).encode(), stat.etag)
        raise BadInputError(
            f"{store.uri}/{latest_key(version.name)}: an image of version {version.id[:12]} was forgotten while it was "
            "made; run gleaner forget again, which takes it out, and then this"
        )


def clean_up(name: str, plan: str, store: Store, settings: IngestSettings) -> None:
    """Remove what the workers of this plan handed to each other, on top of whatever version, and what killed ones had
    begun to upload long ago.

    The mark of an ingest by other settings stays: it may be in flight, with shards that this version does not name.
    """
    store.clean_uploads(f"datasets/{name}/", settings.unfinished_hours)
    folder = plan_folder(name, plan)
    for stat in list(store.list(f"{folder}/")):
        if not stat.key.startswith(f"{folder}/{MARK}") or stat.key == mark_key(name, plan, settings):
            store.delete(stat.key)


def _agree(version: Version, store: Store) -> None:
    """Another ingest was faster: nothing is lost where it found the same."""
    with tempfile.TemporaryDirectory() as scratch:
        other = load_previous(version.name, store, Path(scratch))
        if other.id == version.id or other.index is None:
            return
        more = _difference(other.index, version.index)
        fewer = _difference(version.index, other.index)
    raise BadInputError(
        f"{store.uri}/{latest_key(version.name)}: another ingest has published version {other.id[:12]} meanwhile, with "
        f"{more:,} images that version {version.id[:12]} lacks and without {fewer:,} that it has; run again to "
        "build on it"
    )


def _difference(one: Path, other: Path) -> int:
    """How many ids stand in one index only; both are read in their order."""
    count = 0
    theirs = ids_of(other)
    there = next(theirs, None)
    for image in ids_of(one):
        while there is not None and there < image:
            there = next(theirs, None)
        count += there != image
    return count


def _catalogue(inventory: Inventory) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "sources.parquet"
        rows = inventory.rows(CATALOGUED)
        with new_file(path) as temporary, pq.ParquetWriter(temporary, CATALOGUE, compression="zstd") as writer:
            while some := list(islice(rows, ROWS)):
                writer.write_batch(batch_of(some, CATALOGUE))
        return path.read_bytes()
