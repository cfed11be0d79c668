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
    size = record.itemsize
    edges = np.flatnonzero(np.diff(rows, prepend=-2, append=-2) != 1).tolist()
    for first, last in pairwise(edges):
        if os.preadv(file.fileno(), [result[first:last].data], int(rows[first]) * size) < (last - first) * size:
            raise ValueError(f"{file.name} ends before row {rows[last - 1]}")
    return result


def blocks(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Ranges of at most `size` that make up the whole."""
    return ((low, min(low + size, stop)) for low in range(start, stop, size))
