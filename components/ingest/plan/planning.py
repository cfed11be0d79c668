"""Plan an ingest: list the source in reading order, cut into parts that any number of workers packs to equal bytes.

A part is a row group of `listing.parquet`, and becomes a few shards. Where it ends depends on the listing alone.
Nothing of a plan depends on the store: equal sources and settings give equal plans, whatever has been ingested before.

datasets/<name>/plans/<key>/listing.parquet    the plan
                            in-flight-….json   marks of ingests by it
                            <version>/part-….parquet  what became of its parts on top of that version, or of `first`
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.code import code_digest
from components.common.data.kinds import PILLOW, can_read
from components.common.files import new_file, sha256_json
from components.common.storage import Store
from components.ingest.settings import IngestSettings
from components.ingest.source.listing import Listing
from components.ingest.source.locations import Location, SourceFile, as_text, from_text
from components.ingest.source.sources import list_source

PART_SHARDS = 4  # shard sizes of source files that make a part: a train shard is full, one of a tenth is not tiny
PART_FILES = 32_768  # most files of a part
MARK = "in-flight-"
BATCH = 1024  # rows held at a time
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("size", pa.int64()),
        ("label", pa.string()),
        ("given", pa.string()),
        ("location", pa.string()),
        ("text", pa.string()),
        ("text_location", pa.string()),
        ("etag", pa.string()),
        ("reason", pa.string()),
        ("is_image", pa.bool_()),
        ("attributes", pa.string()),
    ]
)
CONTENTS = [SCHEMA.get_field_index(name) for name in ("key", "size", "label", "given", "text", "attributes")]
# settings that decide what becomes of a file
PACKING = ("mode", "shard_size", "max_pixels", "max_seconds", "max_memory")


class Plan(NamedTuple):
    """A listing on local disk, and what is known of it as a whole."""

    key: str  # digest of the listing, and of the settings and code that pack it
    contents: str  # digest of what is listed, wherever it lies and whenever it was written
    path: Path
    store: str  # where keys without a location of their own lie
    parts: tuple[int, ...]  # files of each
    brought: frozenset[str]  # splits that the source's own folders give
    ignored: dict[str, int]  # files that are no images by their names, by extension
    empty: tuple[str, ...]  # classes whose folders hold no file
    warnings: tuple[str, ...]
    attributes: tuple[str, ...]  # columns of a table that are kept
    contradicted: tuple[tuple[str, str], ...]  # images that a table labels differently, with each of their labels

    def part(self, number: int) -> Iterator[SourceFile]:
        """The files of one part, in reading order."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(BATCH, row_groups=[number]):
                for row in zip(*batch.to_pydict().values(), strict=True):
                    key, size, label, given, location, text, text_location, etag, reason, is_image, attributes = row
                    beside = text if text is not None else from_text(text_location)
                    place = from_text(location)
                    yield SourceFile(
                        key, size, label, given, place, beside, etag, reason, is_image=is_image, attributes=attributes
                    )


def make_plan(source: str, settings: IngestSettings, scratch: Path) -> Plan:
    """List the source. Raises BadInputError where there is nothing to read."""
    listing = list_source(source, settings.labels, scratch)
    path = scratch / "listing.parquet"
    rows = _Rows(settings.shard_size * PART_SHARDS)
    with new_file(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        for part in rows.parts(listing):
            writer.write_table(part, row_group_size=len(part))
        about = {
            "store": listing.store,
            "parts": rows.sizes,
            "brought": sorted(listing.brought),
            "ignored": dict(sorted(listing.ignored().items())),
            "empty": list(listing.empty),
            "warnings": list(listing.warnings),
            "attributes": list(listing.attributes),
            "contradicted": [(key, label) for key, told in listing.contradictions() for label, _ in told],
        }
        chosen = settings.model_dump(mode="json", include=set(PACKING))
        kinds = [kind for kind in PILLOW if can_read(kind)]
        told = json.dumps([about, chosen, kinds, code_digest(), rows.digest.hexdigest()])
        key = hashlib.sha256(told.encode()).hexdigest()
        contents = sha256_json([about["brought"], about["attributes"], rows.contents.hexdigest()])
        writer.add_key_value_metadata({"gleaner": json.dumps({"key": key, "contents": contents, **about})})
    return open_plan(path)


def open_plan(path: Path) -> Plan:
    about: dict[str, Any] = json.loads(pq.read_metadata(path).metadata[b"gleaner"])
    about |= {
        "parts": tuple(about["parts"]),
        "brought": frozenset(about["brought"]),
        "empty": tuple(about["empty"]),
        "warnings": tuple(about["warnings"]),
        "attributes": tuple(about["attributes"]),
        "contradicted": tuple((key, label) for key, label in about["contradicted"]),
    }
    return Plan(path=path, **about)


def fetch_plan(name: str, key: str, store: Store, scratch: Path) -> Plan | None:
    """The plan of that key as another process left it in the store; None where there is none."""
    try:
        data = store.read(listing_key(name, key)) if key else b""
    except KeyError:
        data = b""
    if not data:
        return None
    path = scratch / "listing.parquet"
    path.write_bytes(data)
    return open_plan(path)


def keep_plan(name: str, plan: Plan, store: Store) -> None:
    """Leave the plan in the store for other workers."""
    listing = listing_key(name, plan.key)
    if next(store.list(listing), None) is None:
        store.write_if_absent(listing, plan.path.read_bytes())


def listing_key(name: str, plan: str) -> str:
    return f"{plan_folder(name, plan)}/listing.parquet"


def plan_folder(name: str, plan: str) -> str:
    """Where the store keeps what a plan's workers hand to each other, until the version is published."""
    return f"datasets/{name}/plans/{plan}"


def mark_key(name: str, plan: str, settings: IngestSettings) -> str:
    """The object that says that an ingest by this plan is in flight; equal settings make equal versions of it."""
    return f"{plan_folder(name, plan)}/{MARK}{sha256_json(settings.model_dump(mode='json'))[:12]}.json"


def batch_of(rows: Iterable[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as columns; at least one."""
    columns = zip(*rows, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


class _Rows:
    """The rows of a listing as tables, one a part, their digest, and that of what does not depend on their place."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.sizes: list[int] = []
        self.digest = hashlib.sha256()
        self.contents = hashlib.sha256()

    def parts(self, listing: Listing) -> Iterator[pa.Table]:
        batches: list[pa.RecordBatch] = []
        rows: list[tuple[Any, ...]] = []
        files = size = 0
        for found in _everything(listing):
            rows.append(_row(found))
            files = files + 1
            size = size + found.size
            full = size >= self.most_bytes or files == PART_FILES
            if full or len(rows) == BATCH:
                batches.append(self._batch(rows))
                rows = []
            if full:
                yield self._part(batches)
                batches = []
                files = 0
                size = 0
        if rows:
            batches.append(self._batch(rows))
        if batches:
            yield self._part(batches)

    def _batch(self, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        self.digest.update(json.dumps(rows).encode())
        self.contents.update(json.dumps([[row[at] for at in CONTENTS] for row in rows]).encode())
        return batch_of(rows, SCHEMA)

    def _part(self, batches: list[pa.RecordBatch]) -> pa.Table:
        self.sizes.append(sum(map(len, batches)))
        return pa.Table.from_batches(batches, SCHEMA)


def _everything(listing: Listing) -> Iterator[SourceFile]:
    yield from listing.refusals()
    yield from listing.files()


def _row(found: SourceFile) -> tuple[Any, ...]:
    text, text_location = (None, as_text(found.text)) if isinstance(found.text, Location) else (found.text, None)
    return (
        found.key,
        found.size,
        found.label,
        found.given,
        as_text(found.location),
        text,
        text_location,
        found.etag,
        found.reason,
        found.is_image,
        found.attributes,
    )
