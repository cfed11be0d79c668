"""Read some columns of a Parquet file in a store, by ranges: of a large table only what is looked at arrives."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.common.storage import IntegrityError, Stat, Store

WHOLE = 1 << 17  # bytes up to which an object is read at once: one request instead of three
READERS = 16  # objects that are read at a time
ROWS = 1 << 16  # of them that are held at a time

T = TypeVar("T")
R = TypeVar("R")


class _Remote(io.RawIOBase):
    """An object of a store as a file; each read is a request, which suits a reader of whole columns."""

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

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self.size - self.place)
        data = self.store.read_range(self.key, self.place, left if size is None or size < 0 else min(size, left))
        self.place += len(data)
        return data


def rows_of(store: Store, stat: Stat, column: str, wanted: Sequence[str], columns: Sequence[str]) -> pa.Table | None:
    """Rows whose text in `column` begins with one of `wanted`, of those `columns` that there are; None where there is
    no such row, or no such object any more.

    Row groups whose least and greatest text tell that they hold none are not read; of the others `column` is, and the
    rest where something is found. Raises IntegrityError where it is no table with this column.
    """
    found = []
    try:
        with _open(store, stat) as file:
            there = [name for name in columns if name in file.schema_arrow.names]
            for group in _groups(file, column, wanted):
                rows = [_matching(texts.column(0), wanted) for texts in _batches(file, group, [column])]
                if any(map(len, rows)):
                    found += [
                        batch.take(some)
                        for batch, some in zip(_batches(file, group, there), rows, strict=True)
                        if len(some)
                    ]
    except KeyError as gone:
        if gone.args == (stat.key,):
            return None
        raise
    except (ValueError, OSError, pa.ArrowException) as error:
        why = f"no table with a column {column} that can be read ({type(error).__name__})"
        raise IntegrityError(f"{store.uri}/{stat.key}: {why}; restore it") from None
    return pa.Table.from_batches(found) if found else None


def in_readers(act: Callable[[T], R], items: Iterable[T], readers: int = READERS) -> list[R]:
    """What `act` makes of each item, in their order; each waits for the store, so several go at a time."""
    with ThreadPoolExecutor(readers) as pool:
        return list(pool.map(act, items))


def _open(store: Store, stat: Stat) -> pq.ParquetFile:
    whole = stat.size <= WHOLE
    source = io.BytesIO(store.read(stat.key)) if whole else pa.PythonFile(_Remote(store, stat.key, stat.size), "r")
    return pq.ParquetFile(source, pre_buffer=False)


def _groups(file: pq.ParquetFile, column: str, wanted: Sequence[str]) -> Iterator[int]:
    """Row groups that may hold such a text."""
    place = file.schema_arrow.get_field_index(column)
    if place < 0:
        raise ValueError(column)
    for group in range(file.num_row_groups):
        known = file.metadata.row_group(group).column(place).statistics
        if (
            known is None
            or not known.has_min_max
            or any(known.min[: len(text)] <= text <= known.max for text in wanted)
        ):
            yield group


def _batches(file: pq.ParquetFile, group: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Columns of a row group, so many rows at a time that memory does not grow with it; in the order of `columns`."""
    for batch in file.iter_batches(ROWS, [group], list(columns), use_threads=False):
        yield batch.select(columns)


def _matching(texts: pa.Array, wanted: Sequence[str]) -> pa.Array:
    """Places of the texts that begin with one of `wanted`, ascending."""
    found = None
    for length in sorted({len(text) for text in wanted}):
        some = pa.array([text for text in wanted if len(text) == length], pa.string())
        begins = pc.is_in(pc.utf8_slice_codeunits(texts.cast(pa.string()), 0, length), some)
        found = begins if found is None else pc.or_(found, begins)
    return pc.indices_nonzero(found) if found is not None else pa.array([], pa.uint64())
