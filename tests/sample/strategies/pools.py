"""Small pools of embeddings, and what every strategy must hold to on them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from components.sample.strategies.pool import Chosen, Pool

Strategy = Callable[[Pool, int], Chosen]


def unit(n: int, features: int, seed: int) -> np.ndarray:
    """Random directions, float16 as embeddings are stored."""
    x = np.random.default_rng(seed).normal(size=(n, features))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def blobs(n: int, features: int, seed: int, count: int = 12) -> np.ndarray:
    """Directions around some centres, of unequal shares."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(count))
    x = rng.normal(size=(count, features))[rng.choice(count, n, p=shares)] + 0.6 * rng.normal(size=(n, features))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def pool_of(
    vectors: np.ndarray,
    labelled: list[int] | np.ndarray = (),  # type: ignore[assignment]
    closed: list[int] | np.ndarray = (),  # type: ignore[assignment]
    seed: int = 0,
    threads: int = 1,
) -> Pool:
    """All rows as a pool; free are those neither labelled nor closed."""
    vectors = np.asarray(vectors)
    known = np.sort(np.array(labelled, np.int64))
    free = np.ones(len(vectors), bool)
    free[known] = False
    free[np.array(closed, np.int64)] = False
    return Pool(vectors, np.arange(len(vectors)), known, free, seed, threads)


def split(n: int, labels: int, closed: int, seed: int) -> tuple[list[int], list[int]]:
    """Random positions that are labelled, and others that may not be picked."""
    order = np.random.default_rng(seed).permutation(n).tolist()
    return sorted(order[:labels]), sorted(order[labels : labels + closed])


def check_rules(strategy: Strategy, tmp_path: Path) -> None:
    """What holds for every strategy: only free images, once each, one reason each, as many as asked or as there are;
    equal on any number of threads, from a memory map, in a part of a table, and from run to run.
    """
    x = blobs(300, 16, 3)
    x[200:220] = x[5]
    labelled, closed = split(300, 7, 40, 1)
    first = strategy(pool_of(x, labelled, closed), 20)
    assert len(first.positions) == 20
    for threads in (1, 2, 3):
        _equal(first, strategy(pool_of(x, labelled, closed, threads=threads), 20))
    _equal(first, strategy(pool_of(x.astype(np.float32), labelled, closed), 20))
    np.save(tmp_path / "x.npy", np.repeat(x, 2, axis=0))
    pool = pool_of(x, labelled, closed)
    stored = np.load(tmp_path / "x.npy", mmap_mode="r")
    _equal(first, strategy(Pool(stored, np.arange(300) * 2, pool.labelled, pool.free), 20))
    for budget in (-1, 0, 1, 253, 254, 1000):
        picks, reasons = strategy(pool, budget)
        assert picks.dtype == np.int64
        assert len(picks) == len(set(picks.tolist())) == len(reasons) == max(0, min(budget, 253))
        assert pool.free[picks].all()
        assert all(reasons)
    for empty in (pool_of(x, list(range(300))), pool_of(x[:0]), pool_of(x, [3], list(range(300)))):
        assert len(strategy(empty, 5).positions) == len(strategy(empty, 5).reasons) == 0


def check_copies(strategy: Strategy) -> None:
    """Copies of one vector go by position; more are asked for than there are different vectors, fewer, and as many."""
    assert strategy(pool_of(np.tile(unit(1, 8, 0), (7, 1))), 3).positions.tolist() == [0, 1, 2]
    assert strategy(pool_of(np.tile(unit(1, 8, 0), (7, 1)), [1], [0]), 3).positions.tolist() == [2, 3, 4]
    x = np.repeat(np.eye(4, dtype=np.float16), 5, axis=0)
    for budget in (1, 3, 4, 5, 20, 30):
        picks = strategy(pool_of(x), budget).positions
        assert len(picks) == min(budget, 20)
        assert len(set((picks // 5).tolist())) == min(budget, 4)
        for group in range(4):
            of_group = [int(pick) for pick in picks if pick // 5 == group]
            assert of_group == list(range(5 * group, 5 * group + len(of_group)))


def _equal(one: Chosen, other: Chosen) -> None:
    assert one.positions.tolist() == other.positions.tolist()
    assert one.reasons == other.reasons
