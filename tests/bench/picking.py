"""Buy labels by any strategy, with and without balance, and measure the probe that they teach."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from components.sample.balance import balanced, within
from components.sample.strategies import probe
from components.sample.strategies.badge import badge
from components.sample.strategies.bald import bald
from components.sample.strategies.entropy import entropy
from components.sample.strategies.kcenter import kcenter
from components.sample.strategies.kmeans import kmeans
from components.sample.strategies.margin import margin
from components.sample.strategies.maxherding import maxherding
from components.sample.strategies.pool import Chosen, Pool
from components.sample.strategies.probcover import probcover
from components.sample.strategies.random_draw import random_picks
from components.sample.strategies.tcm import tcm
from components.sample.strategies.typiclust import typiclust
from components.sample.weak import predict, weak_classifier

NEIGHBOURS = 20  # k of typicality, the default
COLD: dict[str, Callable[[Pool, int], Chosen]] = {
    "random": random_picks,
    "typiclust": lambda pool, budget: typiclust(pool, budget, NEIGHBOURS),
    "probcover": probcover,
    "maxherding": maxherding,
    "kmeans": kmeans,
    "kcenter": kcenter,
}
GREEDY = ("random", "probcover", "maxherding", "kcenter")  # fewer picks are the first of more
TAUGHT = 200  # labels of the strategies whose time and memory is measured
WARM = ("margin", "entropy", "bald", "badge", "tcm")


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
    names = classes.astype(str).tolist()
    strategy = COLD.get(name) or with_classifier(name, pool, labels, names)
    if not balance or len(classes) < 2:
        return strategy(pool, budget).positions
    weak = weak_classifier(pool.take(pool.labelled), labels, pool.seed)
    return balanced(strategy, pool, budget, predict(weak, pool), labels, names).positions


def with_classifier(name: str, pool: Pool, labels: np.ndarray, names: list[str]) -> Callable[[Pool, int], Chosen]:
    """A strategy that knows what the probe says of the pool; it may be asked about a part of it."""
    if name == "bald":
        information = probe.information(pool, labels, len(names))
        return lambda part, budget: bald(part, budget, within(pool, part, information))
    weights = probe.fit(pool.take(pool.labelled), labels, len(names))
    said = probe.probabilities(pool, weights)
    if name == "tcm":
        count = len(pool.labelled)
        return lambda part, budget: tcm(part, budget, NEIGHBOURS, within(pool, part, said), names, count)
    strategy = {"margin": margin, "entropy": entropy, "badge": badge}[name]
    return lambda part, budget: strategy(part, budget, within(pool, part, said), names)


def taught(name: str) -> Callable[[Pool, int], Chosen]:
    """A strategy with a classifier of TAUGHT images of the pool, with labels that their embeddings can tell."""

    def strategy(pool: Pool, budget: int) -> Chosen:
        rng = np.random.default_rng(0)
        pool = buy(pool, np.sort(rng.permutation(len(pool))[:TAUGHT]))
        vectors = pool.take(pool.labelled)
        classes, labels = np.unique((vectors @ rng.normal(size=(vectors.shape[1], 10))).argmax(1), return_inverse=True)
        return with_classifier(name, pool, labels, classes.astype(str).tolist())(pool, budget)

    return strategy


def accuracy(vectors: np.ndarray, digits: np.ndarray, test: np.ndarray, test_digits: np.ndarray) -> float:
    """Share of the test images that a probe gets right which is fitted to these images."""
    classes, labels = np.unique(digits, return_inverse=True)
    weights = probe.fit(vectors.astype(np.float32), labels, len(classes))
    pool = whole(test, np.arange(len(test)), 0)
    return float((classes[probe.probabilities(pool, weights).argmax(axis=1)] == test_digits).mean())
