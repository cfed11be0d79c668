"""Read and write tables as Parquet files of a known schema."""

import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.errors import BadInputError
from components.common.files import new_file

ADDED = {"text"}  # columns that earlier versions did not write: null where they are missing


def read_table(source: Path | bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in a file, or in bytes that are held already; ValueError or ArrowException where it is none. columns:
    those that are wanted, of which it may lack some; None for all.

    On this thread alone: Arrow's own threads may still be there when the interpreter ends, and then abort the process.
    """
    with pq.ParquetFile(io.BytesIO(source) if isinstance(source, bytes) else source, pre_buffer=False) as file:
        return file.read(columns, use_threads=False)


def save_table(path: Path, table: pa.Table, schema: pa.Schema) -> None:
    with new_file(path) as temporary:
        pq.write_table(table.select(schema.names).cast(schema), temporary, compression="zstd")


def load_table(path: Path, schema: pa.Schema) -> pa.Table:
    if not path.is_file():
        raise BadInputError(f"{path}: no such file")
    table = read_table(path)
    for name in ADDED.intersection(schema.names).difference(table.column_names):
        table = table.append_column(name, pa.nulls(len(table), schema.field(name).type))
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise BadInputError(f"{path}: lacks the columns {missing}; it has {table.column_names}")
    return table.select(schema.names).cast(schema)
