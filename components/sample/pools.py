"""Which images may be picked: those that strategies are given."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common.artifacts import Dataset
from components.common.data.splits import unlabelled_pool
from components.sample.answers import Answers
from components.sample.strategies.pool import Pool


def pool_of(dataset: Dataset, vectors: np.ndarray, known: Answers, seed: int, threads: int) -> Pool:
    """The train split. Free are images that nobody answered about, and that are no near-duplicates of such; of
    near-duplicates of each other one, the first.

    vectors: (images, features) of the whole dataset.
    """
    rows = unlabelled_pool(dataset)
    answered = np.isin(rows, np.array([*known.given, *known.conflicts, *known.passed], np.int64))
    group = groups(dataset)[rows]
    free = ~np.isin(group, group[answered])
    return Pool(
        vectors,
        rows,
        np.flatnonzero(np.isin(rows, np.array(list(known.given), np.int64))),
        _first_of_each(group, free),
        seed,
        threads,
    )


def among(dataset: Dataset, pool: Pool, wanted: Mapping[str, str], known: Answers) -> np.ndarray:
    """Positions that are free and asked for, (n,) bool: `free` of a narrower pool; what cannot be had is told.

    wanted: ids, with the reasons of whoever asks.
    """
    rows = np.flatnonzero(
        pc.is_in(dataset.index.column("id"), pa.array(wanted, pa.string())).to_numpy(zero_copy_only=False)
    )
    asked = np.isin(pool.rows, rows)
    group = groups(dataset)[pool.rows]
    answered = np.isin(pool.rows, np.array([*known.given, *known.conflicts, *known.passed], np.int64))
    free = _first_of_each(group, asked & ~np.isin(group, group[answered]))
    lost = {
        "not in this version of the dataset": len(wanted) - len(rows),
        "held out": len(rows) - int(asked.sum()),
        "answered already, or near-duplicates": int(asked.sum()) - int(free.sum()),
    }
    told = ", ".join(f"{count:,} are {why}" for why, count in lost.items() if count)
    if len(wanted) > len(rows) and not free.any():
        told += "; nobody is asked about any: add those images to the source, and run again"
    print(f"sample.candidates_from: asks for {len(wanted):,} images{': ' if told else ''}{told}", flush=True)
    return free


def alike(dataset: Dataset, pool: Pool, rows: list[int]) -> np.ndarray:
    """Positions of these rows and of their near-duplicates, (n,) bool."""
    group = groups(dataset)
    return np.isin(group[pool.rows], group[rows])


def groups(dataset: Dataset) -> np.ndarray:
    """A number for the near-duplicate group of each image, int64 (images,)."""
    column = dataset.index.column("group").combine_chunks()
    return column.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _first_of_each(group: np.ndarray, free: np.ndarray) -> np.ndarray:
    """`free`, but of each group the first image alone."""
    positions = np.flatnonzero(free)
    _, first = np.unique(group[positions], return_index=True)
    result = np.zeros(len(free), bool)
    result[positions[first]] = True
    return result
