"""What every strategy is given, and what it answers."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from components.common.seeding import seeded

BLOCK = 8192  # images that are held as float32 at a time: 16 MiB of 512 features
READ = 64  # images read from a memory map before its pages are given back: a scattered row can bring in 2 MiB


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

    def take(self, positions: np.ndarray | slice, dtype: DTypeLike = np.float32) -> np.ndarray:
        """The embeddings of these positions, (k, features), as float32 or another type.

        Pages of a read-only memory map are given back at once, since they count as memory of this process.
        """
        rows = self.rows[positions]
        taken = np.empty((len(rows), self.vectors.shape[1]), dtype)
        for start in range(0, len(rows), READ):
            taken[start : start + READ] = self.vectors[rows[start : start + READ]]
            give_back(self.vectors)
        return taken

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[int, np.ndarray]]:
        """The whole pool in order: the first position of each block, and its embeddings, float32 (size, features)."""
        for start in range(0, len(self), size):
            yield start, self.take(slice(start, start + size))


def drawn(pool: Pool, positions: np.ndarray, most: int, purpose: str) -> np.ndarray:
    """All of these positions, or at most so many of them, drawn uniformly by the pool's seed and ascending."""
    if len(positions) <= most:
        return positions
    return np.sort(seeded(pool.seed, purpose)[0].choice(positions, most, replace=False))


def give_back(vectors: np.ndarray) -> None:
    """Let go of the pages of a read-only memory map; they are read again where they are asked for again."""
    if isinstance(vectors, np.memmap) and vectors.mode == "r":
        file: mmap.mmap | None = vectors._mmap  # type: ignore[attr-defined]
        if file is not None:
            file.madvise(mmap.MADV_DONTNEED)


class Chosen(NamedTuple):
    """Positions in the order of picking, int64 (k,), ties to the smaller; and for each, in words, why."""

    positions: np.ndarray
    reasons: list[str]
