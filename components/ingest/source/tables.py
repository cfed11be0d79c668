"""A Parquet or CSV table of images as a source: a column `uri`, and perhaps `label` and `text`."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.errors import BadInputError
from components.common.labels.tables import read_table
from components.ingest.source.archives import local_copy
from components.ingest.source.filenames import NO, YES
from components.ingest.source.labels import Warnings, stripped
from components.ingest.source.listing import Entry, Listing
from components.ingest.source.locations import Location

EXTENSIONS = (".csv", ".parquet")
COLUMNS = ("uri", "label", "text")


class Row(NamedTuple):
    line: int  # of a CSV; number of the row in Parquet, from 1
    uri: str
    label: str
    text: str


def is_table(key: str) -> bool:
    return key.lower().endswith(EXTENSIONS)


def add_table(source: str, name: str, listing: Listing, scratch: Path) -> None:
    """Note the images that a table names; relative ones lie in the listing's store, where the table does.

    An image with different labels has none, and is noted as contradicted. Raises BadInputError, with both lines, where
    one has different texts.
    """
    store = listing.store
    path = local_copy(store, name, scratch) if store.startswith("s3://") else Path(store).expanduser() / name
    warnings = Warnings()
    for line, uri, given, text in _rows(path, name):
        where = f"{name}:{line}"
        label = stripped(given, f"{name}:{line}", warnings) or None
        if not uri:
            raise BadInputError(f"{where}: no uri; expected s3://bucket/key or a path relative to the table")
        key, location, reason = _resolved(uri, store)
        before = listing.entry(key)
        if before is None:
            listing.add_named(Entry(key, key, 0, "", location, label, text.strip() or None, line))
            if reason:
                listing.refuse(key, reason)
            continue
        if (text.strip() or None) != before.text:
            raise BadInputError(
                f"{where}: text of {uri!r} is {text.strip()[:80]!r} here and {(before.text or '')[:80]!r} in line "
                f"{before.line}; keep one"
            )
        if label and before.label is None:
            listing.db.execute("UPDATE entries SET label = ?, line = ? WHERE key = ?", (label, line, before.key))
        elif label and before.label and label != before.label:
            listing.contradict(before.key, (before.label, before.line), (label, line))
        elif label:
            warnings.add("twice", f"{where}: {uri!r} is here again, equal to line {before.line}; one of them is enough")
    listing.warnings += warnings.lines()
    listing.db.execute("UPDATE entries SET label = NULL WHERE key IN (SELECT key FROM contradicted)")
    listing.db.execute(
        "UPDATE entries SET image = CASE WHEN key IN (SELECT key FROM refused) THEN ? ELSE ? END", (NO, YES)
    )
    if not listing.count("entries WHERE image"):
        first = next(listing.refusals(), None)
        why = f"; {first.key}: {first.reason}" if first else ""
        raise BadInputError(
            f"{source}: names no images{why}; expected a column uri with s3://bucket/key or paths relative to the table"
        )


def _resolved(uri: str, store: str) -> tuple[str, Location, str]:
    """The key of an image in the dataset, where it lies, and why it is not read."""
    if uri.startswith("s3://"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return uri, Location(f"s3://{bucket}", key), "" if bucket and key else "no s3://bucket/key"
    key = posixpath.normpath(uri)
    if "://" in uri:
        return uri, Location(store, uri), "an address that is not read: expected s3:// or a path relative to the table"
    if key.startswith("/"):
        return uri, Location(store, uri), "an absolute path: expected one relative to the table, or s3://"
    return key, Location(store, key), "leads out of the table's folder" if key.split("/")[0] == ".." else ""


def _rows(path: Path, name: str) -> Iterator[Row]:
    if name.lower().endswith(".csv"):
        with path.open("rb") as file:
            for line, row in read_table(file, name, ("uri",)).rows:
                yield Row(line, row["uri"].strip(), row.get("label", ""), row.get("text", ""))
        return
    try:
        with pq.ParquetFile(path) as table:
            columns = [column for column in COLUMNS if column in table.schema_arrow.names]
            if "uri" not in columns:
                raise BadInputError(
                    f"{name}: expected a column uri; found {','.join(table.schema_arrow.names) or 'nothing'}"
                )
            line = 0
            for batch in table.iter_batches(columns=columns):
                for row in batch.to_pylist():
                    line += 1
                    yield Row(line, _word(row["uri"]).strip(), _word(row.get("label")), _word(row.get("text")))
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(
            f"{name}: cannot be read as Parquet ({str(error).splitlines()[0]}); expected a column uri"
        ) from None


def _word(value: Any) -> str:
    """A cell as text; a whole number that some programs keep as 3.0 is 3."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.15g}"
    return "" if value is None else str(value)
