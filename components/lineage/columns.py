"""Read some columns of a Parquet file in a store, by ranges: of a table of a million rows, what is asked for arrives."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.common.storage import IntegrityError, Store

BROKEN = (ValueError, OSError, pa.ArrowException)  # what reading a file that is no Parquet raises


class _Remote(io.RawIOBase):
    """An object of a store as a file; each read is a request, so it is for a reader of large pieces."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        super().__init__()
        self.store, self.key, self.size, self.place = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence]
        return self.place

    def read(self, size: int = -1) -> bytes:
        left = max(0, self.size - self.place)
        data = self.store.read_range(self.key, self.place, left if size is None or size < 0 else min(size, left))
        self.place += len(data)
        return data


def rows_of(
    store: Store, key: str, size: int, column: str, wanted: Sequence[str], columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows whose text in `column` is one of `wanted`, of these columns, in their order.

    size: bytes of the object. Row groups whose least and greatest value tell that they hold none are not read; of the
    others `column` is, and the rest where it is found. Raises KeyError where there is no such object, IntegrityError
    where it is no such table.
    """
    found: list[dict[str, Any]] = []
    try:
        with pq.ParquetFile(pa.PythonFile(_Remote(store, key, size), "r"), pre_buffer=False) as file:
            for group in _groups(file, column, wanted):
                texts = file.read_row_group(group, [column], use_threads=False)[column]
                rows = pc.indices_nonzero(pc.is_in(texts, pa.array(wanted, texts.type)))
                if len(rows):
                    found += file.read_row_group(group, list(columns), use_threads=False).take(rows).to_pylist()
    except BROKEN as error:
        raise IntegrityError(
            f"{store.uri}/{key}: no table that can be read ({type(error).__name__}); restore it"
        ) from None
    return found


def _groups(file: pq.ParquetFile, column: str, wanted: Sequence[str]) -> Iterator[int]:
    """Row groups that may hold one of `wanted`."""
    place = file.schema_arrow.get_field_index(column)
    if place < 0:
        raise ValueError(f"no column {column}")
    for group in range(file.num_row_groups):
        known = file.metadata.row_group(group).column(place).statistics
        if known is None or not known.has_min_max or any(known.min <= text <= known.max for text in wanted):
            yield group
