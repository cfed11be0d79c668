"""Images that somebody asks for, read from where a configuration says that their table lies."""

import io

import pyarrow as pa

from components.common.errors import BadInputError
from components.common.labels.tables import read_table
from components.common.parquet import read_table as read_parquet
from components.common.storage import file_at


def read_wanted(uri: str) -> tuple[bytes, dict[str, str]]:
    """A table (CSV, or Parquet by its name) with the column `id` and perhaps `reason`, from a path or an s3:// URI: its
    bytes, and each image's reason (empty where none is given), in the order of the table.

    Raises BadInputError where there is none, it cannot be read, or it names no image.
    """
    store, name = file_at(uri)
    try:
        data = store.read(name)
    except KeyError:
        raise BadInputError(
            f"sample.candidates_from: {uri} does not exist; expected a CSV or Parquet table with the column id"
        ) from None
    rows = _parquet(data, uri) if name.lower().endswith(".parquet") else _table(data, uri)
    found: dict[str, str] = {}
    for image, reason in rows:
        if image:
            found.setdefault(image, reason)
    if not found:
        raise BadInputError(f"sample.candidates_from: {uri} names no image; leave it out to pick among all")
    return data, found


def _table(data: bytes, uri: str) -> list[tuple[str, str]]:
    table = read_table(io.BytesIO(data), uri, ("id",))
    return [(row["id"].strip(), (row.get("reason") or "").strip()) for _, row in table.rows]


def _parquet(data: bytes, uri: str) -> list[tuple[str, str]]:
    try:
        table = read_parquet(data)
        if "id" not in table.column_names:
            raise BadInputError(f"{uri}: lacks the column id; it has {table.column_names}")
        ids = table.column("id").cast(pa.string()).to_pylist()
        reasons = table.column("reason").cast(pa.string()).to_pylist() if "reason" in table.column_names else []
    except pa.ArrowException as error:
        raise BadInputError(
            f"{uri}: is no Parquet table that can be read ({str(error).partition(chr(10))[0]}); expected one with the "
            "column id"
        ) from None
    return [(image or "", reason or "") for image, reason in zip(ids, reasons or [""] * len(ids), strict=True)]
