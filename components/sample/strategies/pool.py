"""What every strategy is given, and what it answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

BLOCK = 8192  # images that are held as float32 at a time: 16 MiB of 512 features


@dataclass(frozen=True)
class Pool:
    """The images that a strategy sees, in the order of their ids.

    vectors: (images, features) float16 or float32, of unit length, perhaps a memory map: never copied whole.
    rows: (n,) int64, ascending: the rows of `vectors` that are the pool. Everything below counts positions in `rows`.
    labelled: (m,) int64, ascending: positions that have a training label.
    free: (n,) bool: positions that may be picked.
    """

    vectors: np.ndarray
    rows: np.ndarray
    labelled: np.ndarray
    free: np.ndarray
    seed: int = 0
    threads: int = 1

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: np.ndarray) -> np.ndarray:
        """The embeddings of these positions, float32 (k, features)."""
        return np.asarray(self.vectors[self.rows[positions]], dtype=np.float32)

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[int, np.ndarray]]:
        """The whole pool in order: the first position of each block, and its embeddings, float32 (size, features)."""
        for start in range(0, len(self), size):
            yield start, np.asarray(self.vectors[self.rows[start : start + size]], dtype=np.float32)


class Chosen(NamedTuple):
    """Positions in the order of picking, int64 (k,), ties to the smaller; and for each, in words, why."""

    positions: np.ndarray
    reasons: list[str]
