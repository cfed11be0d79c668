"""Choose the training images of a round: strategies by name, each given what it needs, in shares, balanced over
classes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from components.sample.balance import balanced, within
from components.sample.settings import WARM, SampleSettings
from components.sample.shares import split_budget
from components.sample.strategies.badge import badge
from components.sample.strategies.bald import bald
from components.sample.strategies.entropy import entropy
from components.sample.strategies.kcenter import kcenter
from components.sample.strategies.kmeans import kmeans
from components.sample.strategies.margin import margin
from components.sample.strategies.maxherding import maxherding
from components.sample.strategies.pool import Chosen, Pool
from components.sample.strategies.probcover import probcover
from components.sample.strategies.probe import fit, information, probabilities
from components.sample.strategies.random_draw import random_picks
from components.sample.strategies.tcm import tcm
from components.sample.strategies.typiclust import typiclust
from components.sample.weak import Weak, predict, weak_classifier

COLD_INSTEAD = "typiclust"  # of a strategy that needs a classifier, while there is none
GUESSED = 10  # classes
Pick = Callable[[Pool, int], Chosen]


@dataclass(frozen=True)
class Taught:
    """What labels say of a pool. labels: (m,) class indices of `pool.labelled`; classes: names of those with a label;
    all_classes: how many there are, 0 where nobody has named any; neighbours: k of typicality.
    """

    pool: Pool
    labels: np.ndarray
    classes: list[str]
    all_classes: int
    neighbours: int

    @property
    def is_enough(self) -> bool:
        """Whether there is anything to tell apart."""
        return len(self.classes) >= 2

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Of each image of the pool, float32 (n, classes)."""
        weights = fit(self.pool.take(self.pool.labelled), self.labels, len(self.classes))
        return probabilities(self.pool, weights)

    @cached_property
    def information(self) -> np.ndarray:
        """What a label would tell the classifier, float32 (n,)."""
        return information(self.pool, self.labels, len(self.classes))

    @cached_property
    def weak(self) -> Weak:
        """The classifier that cross-validates best."""
        return weak_classifier(self.pool.take(self.pool.labelled), self.labels, self.pool.seed)

    def said_of(self, part: Pool) -> np.ndarray:
        return within(self.pool, part, self.probabilities)


STRATEGIES: Mapping[str, Callable[[Taught, Pool, int], Chosen]] = {
    "random": lambda _, pool, budget: random_picks(pool, budget),
    "kmeans": lambda _, pool, budget: kmeans(pool, budget),
    "kcenter": lambda _, pool, budget: kcenter(pool, budget),
    "typiclust": lambda taught, pool, budget: typiclust(pool, budget, taught.neighbours),
    "probcover": lambda taught, pool, budget: probcover(pool, budget, taught.all_classes or GUESSED),
    "maxherding": lambda _, pool, budget: maxherding(pool, budget),
    "margin": lambda taught, pool, budget: margin(pool, budget, taught.said_of(pool), taught.classes),
    "entropy": lambda taught, pool, budget: entropy(pool, budget, taught.said_of(pool), taught.classes),
    "bald": lambda taught, pool, budget: bald(pool, budget, within(taught.pool, pool, taught.information)),
    "badge": lambda taught, pool, budget: badge(pool, budget, taught.said_of(pool), taught.classes),
    "tcm": lambda taught, pool, budget: tcm(
        pool,
        budget,
        taught.neighbours,
        taught.said_of(pool) if taught.is_enough else None,
        taught.classes,
        len(taught.labels),
    ),
}


def choose(taught: Taught, free: np.ndarray, budget: int, settings: SampleSettings) -> Chosen:
    """The training images of a round, at most `budget`, by the strategy or the shares of the settings.

    free: (n,) bool, positions that may be picked.
    """
    pool = replace(taught.pool, free=free)
    budget = max(0, min(budget, int(free.sum())))
    shares: dict[str, float] = {str(name): share for name, share in settings.ensemble.items()}
    shares = shares or {settings.strategy: 1.0}
    if not taught.is_enough:
        shares = _cold(shares)
    pick = partial(together, taught, shares)
    if not (settings.balance and taught.is_enough) or not budget:
        return pick(pool, budget)
    predicted = predict(taught.weak, pool)
    every_class = len(taught.classes) == taught.all_classes
    return balanced(pick, pool, budget, predicted, taught.labels, taught.classes, every_class)


def together(taught: Taught, shares: Mapping[str, float], pool: Pool, budget: int) -> Chosen:
    """The picks of several strategies, one after the other, so that none is picked twice; in the order of picking they
    take turns, so that whoever labels the first ones labels some of each.
    """
    turns: list[tuple[float, int, int, str]] = []
    for place, (name, count) in enumerate(split_budget(budget, shares).items()):
        chosen = STRATEGIES[name](taught, pool, count)
        for number, (position, reason) in enumerate(zip(chosen.positions.tolist(), chosen.reasons, strict=True)):
            turns.append(((number + 0.5) / len(chosen.positions), place, position, reason))
        free = pool.free.copy()
        free[chosen.positions] = False
        pool = replace(pool, free=free, labelled=np.union1d(pool.labelled, chosen.positions))
    turns.sort(key=lambda turn: turn[:2])
    return Chosen(np.array([turn[2] for turn in turns], np.int64), [turn[3] for turn in turns])


def _cold(shares: Mapping[str, float]) -> dict[str, float]:
    """The shares, with those of strategies that need a classifier given to one that needs none; this is told."""
    warm = [name for name in shares if name in WARM]
    if not warm:
        return dict(shares)
    print(
        f"sample.strategy: {' and '.join(warm)} need labels of two classes; until then picks are those of "
        f"{COLD_INSTEAD}",
        flush=True,
    )
    cold = {name: share for name, share in shares.items() if name not in warm}
    return {COLD_INSTEAD: cold.pop(COLD_INSTEAD, 0.0) + sum(shares[name] for name in warm), **cold}
