"""Score the images of a pool by what a classifier says of them, and put those that may be picked in order."""

from collections.abc import Callable

import numpy as np

from components.sample.strategies.distances import spans
from components.sample.strategies.pool import BLOCK, Pool

DIGITS = 6  # of a score that count: less differs by rounding, between equal images too


def score(probabilities: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`of`, which is a function from (k, classes) to (k,), of all rows, block by block; float32 (n,)."""
    result = np.empty(len(probabilities), np.float32)
    for span in spans(len(result), BLOCK):
        result[span] = of(probabilities[span])
    return result


def highest(pool: Pool, scores: np.ndarray, budget: int) -> np.ndarray:
    """The free positions with the highest scores, the highest first, ties to the smaller position; at most `budget`."""
    free = np.flatnonzero(pool.free)
    return free[np.argsort(-np.round(scores[free], DIGITS), kind="stable")[: max(0, budget)]]
