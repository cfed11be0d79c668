"""A Parquet or CSV table of images as a source: a column `uri`, perhaps `label` and `text`, and others to keep."""

import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.errors import BadInputError
from components.common.labels.tables import read_table
from components.ingest.source.archives import local_copy
from components.ingest.source.attributes import NEEDED, agreed, as_told, attribute_columns
from components.ingest.source.filenames import NO, YES
from components.ingest.source.labels import Warnings, stripped
from components.ingest.source.listing import Entry, Listing
from components.ingest.source.locations import Location

EXTENSIONS = (".csv", ".parquet")


class Row(NamedTuple):
    line: int  # of a CSV; number of the row in Parquet, from 1
    uri: str
    label: str
    text: str
    attributes: str | None


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
    for line, uri, given, text, attributes in _rows(path, name, listing):
        where = f"{name}:{line}"
        label = stripped(given, f"{name}:{line}", warnings) or None
        if not uri:
            raise BadInputError(f"{where}: no uri; expected s3://bucket/key or a path relative to the table")
        key, location, reason = _resolved(uri, store)
        before = listing.entry(key)
        if before is None:
            listing.add_named(
                Entry(key, key, 0, "", location, label, text.strip() or None, line, attributes=attributes)
            )
            if reason:
                listing.refuse(key, reason)
            continue
        if (text.strip() or None) != before.text:
            raise BadInputError(
                f"{where}: text of {uri!r} is {text.strip()[:80]!r} here and {(before.text or '')[:80]!r} in line "
                f"{before.line}; keep one"
            )
        if attributes != before.attributes:
            told = agreed(before.attributes, attributes)
            listing.db.execute("UPDATE entries SET attributes = ? WHERE key = ?", (told, before.key))
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


def _rows(path: Path, name: str, listing: Listing) -> Iterator[Row]:
    """The rows of a table; the listing is told which columns are attributes before the first."""
    if name.lower().endswith(".csv"):
        with path.open("rb") as file:
            table = read_table(file, name, ("uri",))
            _keep(listing, name, table.columns)
            for line, row in table.rows:
                yield _row(line, row, listing)
        return
    try:
        with pq.ParquetFile(path) as parquet:
            kinds = {field.name: field.type for field in parquet.schema_arrow}
            if "uri" not in kinds:
                raise BadInputError(f"{name}: expected a column uri; found {','.join(kinds) or 'nothing'}")
            _keep(listing, name, (column for column, kind in kinds.items() if not _is_nested(kind)))
            line = 0
            for batch in parquet.iter_batches(columns=[c for c in kinds if c in (*NEEDED, *listing.attributes)]):
                for row in batch.to_pylist():
                    line += 1
                    yield _row(line, {column: _word(value) for column, value in row.items()}, listing)
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(
            f"{name}: cannot be read as Parquet ({str(error).splitlines()[0]}); expected a column uri"
        ) from None


def _row(line: int, row: dict[str, str], listing: Listing) -> Row:
    told = as_told(listing.attributes, row)
    return Row(line, row["uri"].strip(), row.get("label", ""), row.get("text", ""), told)


def _keep(listing: Listing, name: str, columns: Iterable[str]) -> None:
    listing.attributes, warnings = attribute_columns(columns)
    listing.warnings += [f"{name}: {line}" for line in warnings]


def _is_nested(kind: pa.DataType) -> bool:
    """Whether the values of a column are no words: lists, structures and bytes."""
    return pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _word(value: Any) -> str:
    """A cell as text; a whole number that some programs keep as 3.0 is 3."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.15g}"
    return "" if value is None else str(value)
