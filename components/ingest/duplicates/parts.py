"""Tell the near-duplicates within groups: what else is in a group are edited copies, which share its split alike."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from threadpoolctl import threadpool_limits

from components.ingest.duplicates.connections import Connections
from components.ingest.duplicates.kinds import NEAR
from components.ingest.duplicates.rows import blocks, read_rows
from components.ingest.duplicates.tangents import ENOUGH, plausible, space, unit_waves, view, windows

PAIRS = 256  # that are compared at a time


def near_parts(thumbnails: Path, groups: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Pairs that connect the near-duplicates within each group: int64 (pairs, 2), the first row with each other one.

    thumbnails: file of uint8 (n, SIDE, SIDE); groups: the group of each of the rows, sorted; rows: int64. Members are
    compared with their neighbours, then with the next but one and so on, until all are known to be connected or not:
    a crowd of copies costs a chain and not a square.
    """
    connections = Connections(int(rows.max(initial=-1)) + 1)
    _, starts, owners, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    first = starts[owners]
    size = sizes[owners]
    with thumbnails.open("rb") as pictures, threadpool_limits(1):
        for shift in range(1, int(sizes.max(initial=0))):
            asked = np.flatnonzero(size > shift)
            a = rows[asked]
            b = rows[first[asked] + (asked - first[asked] + shift) % size[asked]]
            for low, high in blocks(0, len(a), PAIRS):
                _compare(pictures, connections, a[low:high], b[low:high])
    return connections.pairs()


def _compare(pictures: BinaryIO, connections: Connections, a: np.ndarray, b: np.ndarray) -> None:
    apart = np.flatnonzero(connections.apart(a, b))
    if len(apart):
        found = apart[shows(read_rows(pictures, a[apart]), read_rows(pictures, b[apart]))]
        connections.join(a[found], b[found])


def shows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether each b is a near-duplicate of a, as the search finds: bool (pairs,). a, b: uint8 (pairs, SIDE, SIDE)."""
    spaces = space(a)
    views = view(unit_waves(b))
    missed, window = windows(spaces, np.arange(len(a)), views["waves"])
    inside = np.einsum("ij,ij->i", spaces.projection, views["products"].astype(np.float32))
    result = NEAR.admits(a) & NEAR.admits(b) & (inside >= ENOUGH) & plausible(missed, window)
    left = np.flatnonzero(result)
    if len(left):
        result[left] = NEAR.judge(a[left], b[left], window[left])
    return result
