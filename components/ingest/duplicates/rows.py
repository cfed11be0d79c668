"""Read rows of a file of records, in any order, and cut ranges into blocks."""

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO

import numpy as np

from components.ingest.duplicates.thumbnails import SIDE

THUMBNAIL = np.dtype((np.uint8, (SIDE, SIDE)))


def read_rows(file: BinaryIO, rows: np.ndarray, record: np.dtype = THUMBNAIL) -> np.ndarray:
    """Records by row, of which a file is full: (rows, ...). Neighbours in the file are read at once."""
    result = np.empty(len(rows), record)
    edges = np.flatnonzero(np.diff(rows, prepend=-2, append=-2) != 1).tolist()
    for first, last in pairwise(edges):
        _fill(file, result[first:last], int(rows[first]), record.itemsize)
    return result


def read_range(file: BinaryIO, low: int, high: int, record: np.dtype = THUMBNAIL) -> np.ndarray:
    """Records low to high: (high - low, ...)."""
    result = np.empty(high - low, record)
    if high > low:
        _fill(file, result, int(low), record.itemsize)
    return result


def _fill(file: BinaryIO, result: np.ndarray, first: int, size: int) -> None:
    if os.preadv(file.fileno(), [result.data], first * size) < len(result) * size:
        raise ValueError(f"{file.name} ends before row {first + len(result) - 1}")


def blocks(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Ranges of at most `size` that make up the whole."""
    return ((low, min(low + size, stop)) for low in range(start, stop, size))
