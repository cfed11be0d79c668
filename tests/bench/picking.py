"""Buy labels by any strategy, with and without balance, and measure the probe that they teach."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from components.sample.choose import STRATEGIES, Taught
from components.sample.choose import choose as chosen_of
from components.sample.settings import COLD, WARM, SampleSettings
from components.sample.strategies import probe
from components.sample.strategies.pool import Chosen, Pool

__all__ = ["COLD", "GREEDY", "WARM", "accuracy", "buy", "choose", "taught", "whole"]
NEIGHBOURS = SampleSettings().neighbours
DIGITS = 10
GREEDY = ("random", "probcover", "maxherding", "kcenter")  # fewer picks are the first of more
TAUGHT = 200  # labels of the strategies whose time and memory is measured


def whole(vectors: np.ndarray, rows: np.ndarray, seed: int) -> Pool:
    """A pool of these rows, none labelled, on one thread."""
    return Pool(vectors, rows, np.empty(0, np.int64), np.ones(len(rows), bool), seed)


def buy(pool: Pool, picks: np.ndarray) -> Pool:
    """The pool once these positions have been labelled."""
    free = pool.free.copy()
    free[picks] = False
    return replace(pool, labelled=np.union1d(pool.labelled, picks), free=free)


def choose(name: str, pool: Pool, budget: int, digits: np.ndarray, balance: bool = False) -> np.ndarray:
    """Positions that a strategy picks, in order. digits: what is shown in each image of the pool; only labelled ones
    are looked at.
    """
    classes, labels = np.unique(digits[pool.labelled], return_inverse=True)
    known = Taught(pool, labels, classes.astype(str).tolist(), DIGITS, NEIGHBOURS)
    settings = SampleSettings.model_validate({"strategy": name, "balance": balance})
    return chosen_of(known, pool.free, budget, settings).positions


def taught(name: str) -> Callable[[Pool, int], Chosen]:
    """A strategy with a classifier of TAUGHT images of the pool, with labels that their embeddings can tell."""

    def strategy(pool: Pool, budget: int) -> Chosen:
        rng = np.random.default_rng(0)
        pool = buy(pool, np.sort(rng.permutation(len(pool))[:TAUGHT]))
        vectors = pool.take(pool.labelled)
        classes, labels = np.unique((vectors @ rng.normal(size=(vectors.shape[1], 10))).argmax(1), return_inverse=True)
        known = Taught(pool, labels, classes.astype(str).tolist(), len(classes), NEIGHBOURS)
        return STRATEGIES[name](known, pool, budget)

    return strategy


def accuracy(vectors: np.ndarray, digits: np.ndarray, test: np.ndarray, test_digits: np.ndarray) -> float:
    """Share of the test images that a probe gets right which is fitted to these images."""
    classes, labels = np.unique(digits, return_inverse=True)
    weights = probe.fit(vectors.astype(np.float32), labels, len(classes))
    pool = whole(test, np.arange(len(test)), 0)
    return float((classes[probe.probabilities(pool, weights).argmax(axis=1)] == test_digits).mean())
