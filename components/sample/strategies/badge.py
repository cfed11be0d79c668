"""BADGE: images whose gradients are large and point in different directions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from components.common.seeding import seeded
from components.sample.strategies.margin import between
from components.sample.strategies.order import DIGITS, score
from components.sample.strategies.pool import Chosen, Pool

AT_MOST = 32_768  # candidates, or four for each pick: each of a thousand picks is compared with all of them
SAME = 1e-6  # squared distance between gradients that is rounding: those of equal images


class Candidates(NamedTuple):
    """Positions, ascending, and the chance with which each was drawn."""

    positions: np.ndarray
    chance: np.ndarray


def badge(pool: Pool, budget: int, probabilities: np.ndarray, classes: Sequence[str]) -> Chosen:
    """k-means++ seeding on the gradients of the classifier's head (Ash et al. 2020, algorithm 1).

    The gradient of an image, for the label that the classifier itself would give, is the outer product of
    a = probabilities − one-hot of the likeliest class  and  its embedding x. It is never made: the inner product of two
    is (a·a')(x·x'). The first pick has the largest gradient, as in the authors' code; each next one is drawn with a
    chance proportional to its squared distance from the nearest pick.
    probabilities: (n, classes) of a classifier; classes: their names, for the reasons.
    Of more than AT_MOST images, candidates are drawn first: see `drawn`.
    """
    rng = seeded(pool.seed, "badge")[0]
    candidates = drawn(pool, score(probabilities, largeness), max(AT_MOST, 4 * budget), rng)
    at, distances = seeding(
        residual(probabilities[candidates.positions]), pool.take(candidates.positions), candidates.chance, budget, rng
    )
    picks = candidates.positions[at]
    return Chosen(
        picks,
        [
            f"{between(probabilities[pick], classes)}, far from the other picks (gradient distance {distance:.2f})"
            for pick, distance in zip(picks, distances, strict=True)
        ],
    )


def drawn(pool: Pool, weights: np.ndarray, count: int, rng: np.random.Generator) -> Candidates:
    """`count` free positions, drawn without replacement with chances that grow with their weights; all where there are
    no more.

    Half of the chance is by weight and half is even, as Bachem et al. (2016) propose centres to k-means++. Each
    position gets an exponential time at the rate of its chance, and the earliest are taken (Efraimidis and Spirakis
    2006). Given the time at which the next would come, the chance of each is known (Cohen and Kaplan 2007): sums over
    the candidates divided by it estimate sums over the pool without bias.
    """
    free = np.flatnonzero(pool.free)
    if len(free) <= count:
        return Candidates(free, np.ones(len(free)))
    rates = weights[free].astype(np.float64)
    rates = rates + max(rates.mean(), SAME)
    times = rng.exponential(size=len(free)) / rates
    order = np.argpartition(times, count)
    taken = np.sort(order[:count])
    return Candidates(free[taken], -np.expm1(-rates[taken] * times[order[count]]))


def seeding(
    a: np.ndarray, x: np.ndarray, chance: np.ndarray, budget: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """k-means++ on the outer products of rows of a (m, classes) and x (m, features).

    Returns the rows picked, in order, and the distance of each from those before it; of the first, from 0. Where all
    that is left equals a pick, the smallest rows follow.
    """
    budget = min(budget, len(a))
    squares = (a**2).sum(axis=1) * (x**2).sum(axis=1)
    nearest = np.full(len(a), np.inf)
    left = np.ones(len(a), bool)
    rows, distances = np.empty(max(0, budget), np.int64), np.empty(max(0, budget))
    with threadpool_limits(1):
        for number in range(budget):
            total = np.cumsum(nearest / chance)
            if number == 0:
                row = int(np.round(squares, DIGITS).argmax())
            elif total[-1] > 0:
                row = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
            else:
                row = int(left.argmax())
            rows[number], distances[number] = row, np.sqrt(nearest[row] if number else squares[row])
            left[row] = False
            squared = squares + squares[row] - 2 * (a @ a[row]) * (x @ x[row])
            nearest = np.minimum(nearest, np.where(squared < SAME, 0, squared))
            nearest[row] = 0
    return rows, distances


def residual(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities less the one-hot vector of the likeliest class: (k, classes)."""
    result = probabilities.copy()
    result[np.arange(len(result)), probabilities.argmax(axis=1)] -= 1
    return result


def largeness(probabilities: np.ndarray) -> np.ndarray:
    """Squared length of the gradient of images whose embeddings have length 1: (k, classes) to (k,)."""
    return (residual(probabilities) ** 2).sum(axis=1)
