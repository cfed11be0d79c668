"""Shuffle an epoch window by window, for pools larger than the disk, and prefetch in a thread.

A window is a group of shards that are held at once. While one window trains, the next one's shards are fetched.
"""

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple, TypeVar

import numpy as np

from components.common.artifacts import Dataset
from components.common.data.reader import ShardReader
from components.common.seeding import seeded

FETCHERS = 2  # shards fetched at once; each in parallel parts

T = TypeVar("T")


class Window(NamedTuple):
    shards: list[int]  # numbers in the dataset
    rows: np.ndarray  # of the index, shuffled across the shards


def epoch_windows(dataset: Dataset, rows: np.ndarray, seed: int, epoch: int, held: int) -> list[Window]:
    """Every row once, in an order that follows from seed, epoch, dataset and `held` (bytes of shards held at once)
    alone.

    One exact shuffle where the rows' shards fit in `held`. Else the shards are shuffled and grouped to windows of half
    of `held`, one at least each, and each window's rows are shuffled exactly.
    """
    draws = seeded(seed, f"order {epoch}")[0]
    shards, which = np.unique(np.asarray(dataset.column("shard"))[rows], return_inverse=True)
    sizes = np.array([dataset.shards[number].size for number in shards.tolist()], np.int64)
    if sizes.sum() <= held:
        return [Window(shards.tolist(), draws.permutation(rows))]
    order = draws.permutation(len(shards))
    groups: list[list[int]] = [[]]
    filled = 0
    for at in order.tolist():
        if groups[-1] and filled + sizes[at] > held // 2:
            groups.append([])
            filled = 0
        groups[-1].append(at)
        filled += sizes[at]
    group_of = np.empty(len(shards), np.int64)
    for number, group in enumerate(groups):
        group_of[group] = number
    by_group = np.argsort(group_of[which], kind="stable")
    parts = np.split(rows[by_group], np.cumsum(np.bincount(group_of[which], minlength=len(groups)))[:-1])
    return [Window(shards[group].tolist(), draws.permutation(part)) for group, part in zip(groups, parts, strict=True)]


def row_batches(
    windows: list[Window], size: int, first: int, end: int, reader: ShardReader | None
) -> Generator[np.ndarray, None, None]:
    """Rows of the batches first..end-1 of an epoch; the caller reads each batch's images before it asks for the next.

    `reader` is made to hold the shards of the batch's windows, and fetches the next window's in threads; None fetches
    nothing. An error of a fetch is raised where its shard is read.
    """
    order = np.concatenate([window.rows for window in windows])
    starts = np.cumsum([0] + [len(window.rows) for window in windows])
    at = range(0)
    with ThreadPoolExecutor(FETCHERS) as threads:
        try:
            for step in range(first, end):
                places = np.searchsorted(starts, [step * size, (step + 1) * size - 1], side="right") - 1
                here = range(int(places[0]), min(int(places[1]) + 2, len(windows)))  # and the one after
                if reader and here != at:
                    wanted = [number for window in windows[here.start : here.stop] for number in window.shards]
                    reader.keep_only(wanted)
                    for number in wanted:
                        threads.submit(reader.fetch, number)
                    at = here
                yield order[step * size : (step + 1) * size]
        finally:
            threads.shutdown(cancel_futures=True)


def ahead(items: Generator[T, None, None], depth: int = 2) -> Generator[T, None, None]:
    """The items, made by a thread while the caller works on earlier ones; an error comes where its item would have.

    Closing it ends the thread, after the item that is being made, and closes `items`.
    """
    over = object()
    with closing(items), ThreadPoolExecutor(1) as thread:
        try:
            waiting = deque(thread.submit(next, items, over) for _ in range(depth))
            while (item := waiting.popleft().result()) is not over:
                waiting.append(thread.submit(next, items, over))
                yield item  # type: ignore[misc]
        finally:
            thread.shutdown(cancel_futures=True)
