"""Load pixels of any rows of a dataset; they are decoded once and kept while they fit in memory."""

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from components.common import memory
from components.common.artifacts import Dataset
from components.common.data.images import square_pixels
from components.common.data.reader import HELD, ShardReader
from components.common.storage import Store

MEMORY = 2 << 30  # bytes of decoded pixels to keep, at most
SHARE = 8  # and at most one part in so many of what the process may take: more decoding, the same pixels
ANY_SIZE = 1 << 40  # ingest has refused what is too large


def load_size(image_size: int) -> int:
    """Side in pixels at which images are held for random crops to `image_size`: a seventh more, or the same for images
    of at most 64 pixels.
    """
    return image_size if image_size <= 64 else round(image_size * 8 / 7)


def kept_bytes(rows: int, dataset: Dataset, mode: str, size: int) -> int:
    """Bytes that `Images` keeps once so many rows have been asked for; 0 where those of the whole dataset are too many
    to keep any.
    """
    each = len(mode) * size * size
    allowed = memory.limit()
    room = MEMORY if allowed is None else min(MEMORY, allowed // (SHARE * memory.together()))
    return rows * each if dataset.index.num_rows * each <= room else 0


class Images:
    """Random access to decoded, squared images of one dataset. `keep`: whether rows are asked for more than once."""

    def __init__(
        self,
        dataset: Dataset,
        store: Store,
        mode: str,
        size: int,
        threads: int = 2,
        held: int = HELD,
        keep: bool = True,
    ) -> None:
        self.reader = ShardReader(dataset, store, held)
        self.mode = mode
        self.size = size
        self._pool = ThreadPoolExecutor(threads)
        count = dataset.index.num_rows
        keep = keep and kept_bytes(count, dataset, mode, size) > 0
        self._kept = np.empty((count, len(mode), size, size), np.uint8) if keep else None
        self._has = np.zeros(count, bool)

    def in_memory(self, rows: np.ndarray) -> bool:
        """Whether these rows are all held in memory, so that no shard is needed for them."""
        return self._kept is not None and bool(self._has[rows].all())

    def batch(self, rows: np.ndarray) -> Tensor:
        """uint8 (len(rows), channels, size, size)."""
        if self._kept is None:
            return torch.from_numpy(self._decode(rows))
        missing = np.unique(rows[~self._has[rows]])
        if len(missing):
            self._kept[missing] = self._decode(missing)
            self._has[missing] = True
        return torch.from_numpy(self._kept[rows])

    def _decode(self, rows: np.ndarray) -> np.ndarray:
        data = map(self.reader.image_bytes, rows.tolist())
        return np.stack(
            list(self._pool.map(square_pixels, data, repeat(self.mode), repeat(self.size), repeat(ANY_SIZE)))
        )
