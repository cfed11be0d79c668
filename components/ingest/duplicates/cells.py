"""An index of vectors: cells around centres, and which of them a query reaches.

The coarse waves of a copy differ little from those of the middle window of its original, so a copy lies in the cell
that this window falls into, or just behind a border of it. All numbers are whole and small: every machine, batch and
number of threads finds the same cells.
"""

from typing import NamedTuple

import numpy as np

from components.ingest.duplicates.tangents import SCALE

REACH = 0.18  # how far behind a border copies are looked for, where the length of all vectors is 1
LEAST = 128  # vectors of a cell on average, at least: fewer vectors than twice that are one cell, and all are compared
SAMPLE, ROUNDS = 64, 4  # vectors for each centre that it is fitted to, and how often
CHUNK = 1024  # vectors that are compared with all centres at a time


class Cells(NamedTuple):
    """A vector lies in the cell of the nearest centre (a Voronoi diagram)."""

    centres: np.ndarray  # whole numbers, SCALE is one: float32 (cells, n)
    halves: np.ndarray  # half of their squared lengths: float32 (cells,)
    distances: np.ndarray  # of each two centres: float32 (cells, cells)

    def nearest(self, vectors: np.ndarray) -> np.ndarray:
        """The cell of each vector, of two at the same distance the first: int64 (vectors,)."""
        parts = [self._nearness(vectors[low : low + CHUNK]).argmax(1) for low in range(0, len(vectors), CHUNK)]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def reached(self, vectors: np.ndarray) -> np.ndarray:
        """The cells that each vector lies in, or at most REACH away from its border to: bool (vectors, cells)."""
        nearness = self._nearness(vectors)
        own = nearness.argmax(1)
        # The distance from a border is half the difference of the squared distances from both centres, by theirs.
        behind = nearness[np.arange(len(vectors)), own][:, None] - nearness
        return behind <= np.float32(REACH * SCALE) * self.distances[own]

    def _nearness(self, vectors: np.ndarray) -> np.ndarray:
        """Half of what the squared length of each vector exceeds the squared distance from each centre by."""
        return vectors.astype(np.float32) @ self.centres.T - self.halves


def divide(vectors: np.ndarray) -> Cells:
    """Cells for vectors of length SCALE, int16 (vectors, n): about twice the root of their number, by k-means."""
    count = max(1, min(len(vectors) // LEAST, round(2 * len(vectors) ** 0.5)))
    sample = _spread(vectors, SAMPLE * count) if len(vectors) else np.zeros_like(vectors, shape=(1, vectors.shape[1]))
    cells = _cells(_spread(sample, count).astype(np.float64))
    for _ in range(ROUNDS if count > 1 else 0):
        own = cells.nearest(sample)
        sizes = np.bincount(own, minlength=count)[:, None]
        sums = np.stack([np.bincount(own, column, count) for column in sample.T], 1)
        cells = _cells(np.where(sizes, np.round(sums / np.maximum(sizes, 1)), cells.centres))
    return cells


def _cells(centres: np.ndarray) -> Cells:
    squares = np.square(centres).sum(1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * centres @ centres.T, 0))
    return Cells(centres.astype(np.float32), (squares / 2).astype(np.float32), distances.astype(np.float32))


def _spread(vectors: np.ndarray, count: int) -> np.ndarray:
    """`count` of the vectors, or all, at even distances: their order is that of a digest, so as good as drawn."""
    return vectors[np.arange(min(count, len(vectors))) * len(vectors) // max(1, min(count, len(vectors)))]
