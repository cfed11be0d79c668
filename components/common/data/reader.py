"""Read image files of a dataset by row from its shards; shards are fetched on demand or ahead, bounded in bytes."""

import mmap
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.common.artifacts import Dataset
from components.common.storage import Store
from components.common.storage.cache import cache_bytes

HELD = 20 << 30  # bytes of shards that a reader holds, where nothing else is said; a fifth of the cache


class _Open(NamedTuple):
    path: Path
    contents: mmap.mmap


class ShardReader:
    """Random access to the stored files of a dataset; each shard is verified when it comes.

    The shards read longest ago are given back to the cache once more than `held` bytes would be held; at least one is.
    What the cache may hold (GLEANER_CACHE_GB) is taken where it is less than `held`.
    """

    def __init__(self, dataset: Dataset, store: Store, held: int = HELD) -> None:
        self.dataset = dataset
        self.store = store
        self.held = min(held, cache_bytes())
        self._shard, self._offset, self._size = (dataset.column(name) for name in ("shard", "offset", "size"))
        self._open: OrderedDict[int, Future[_Open]] = OrderedDict()  # last used last
        self._guard = threading.Lock()

    def image_bytes(self, row: int) -> bytes:
        """The stored file of one image; several threads may ask at once."""
        start = int(self._offset[row])
        return self.fetch(int(self._shard[row])).contents[start : start + int(self._size[row])]

    def by_place(self, rows: np.ndarray) -> np.ndarray:
        """Positions in `rows`, in the order in which these lie in the shards: so visited, no shard is brought twice."""
        return np.lexsort((self._offset[rows], self._shard[rows]))

    def fetch(self, number: int) -> _Open:
        """One shard, held from now on; of several threads that want it, one brings it and the others wait."""
        with self._guard:
            coming = self._open.get(number)
            mine = coming is None
            if coming is None:
                self._make_room(self.dataset.shards[number].size)
                coming = self._open[number] = Future()
            self._open.move_to_end(number)
        if mine:
            self._bring(number, coming)
        return coming.result()

    def keep_only(self, numbers: Iterable[int]) -> None:
        """Give back all shards but these."""
        with self._guard:
            for number in self._open.keys() - set(numbers):
                self._let_go(number)

    def _bring(self, number: int, coming: "Future[_Open]") -> None:
        shard = self.dataset.shards[number]
        try:
            path = self.store.local(shard.key, shard.sha256, shard.size)
            with path.open("rb") as file:
                coming.set_result(_Open(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
        except BaseException as error:
            with self._guard:
                self._open.pop(number, None)  # whoever asks next tries again
            coming.set_exception(error)

    def _make_room(self, size: int) -> None:
        room = self.held - size - sum(self.dataset.shards[number].size for number in self._open)
        for number in list(self._open):
            if room >= 0:
                return
            if self._let_go(number):
                room += self.dataset.shards[number].size

    def _let_go(self, number: int) -> bool:
        """A mapping that another thread reads stays valid until it has done so; a shard that is on its way stays."""
        if not self._open[number].done():
            return False
        self.store.let_go(self._open.pop(number).result().path)
        return True
