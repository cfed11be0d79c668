"""Pick the image that adds most to how well the pool is covered."""

import numpy as np

from components.sample.strategies.distances import Map, spans, squared, squares, workers
from components.sample.strategies.pool import Chosen, Pool, drawn

LIMIT = 20_000  # images that are candidates, and images that coverage is measured on
TOGETHER = 64  # gains that are measured at a time
ROWS, COLUMNS = 1024, 2048  # of a block of the kernel: 16 MiB


def maxherding(pool: Pool, budget: int, sigma: float = 1.0) -> Chosen:
    """MaxHerding (Bae et al. 2024): greedily maximise the generalized coverage, the mean over the pool of
    max over chosen s of k(x, s), with the Gaussian kernel k(x, s) = exp(-|x - s|^2 / sigma^2).

    Exact: gains only fall while images are chosen (the coverage is submodular), so that only those that were highest
    are measured again (lazy greedy, Minoux 1978). Of a pool of more than 20,000 images as many, drawn uniformly by the
    seed, are candidates, and coverage is measured on as many.
    """
    candidates = drawn(pool, np.flatnonzero(pool.free), max(LIMIT, budget), "candidates")
    budget = min(budget, len(candidates))
    if budget <= 0:
        return Chosen(np.empty(0, np.int64), [])
    measured = drawn(pool, np.arange(len(pool)), LIMIT, "measured")
    gains = np.full(len(candidates), np.inf)
    picks: list[int] = []
    reasons: list[str] = []
    with workers(pool.threads) as each:
        coverage = _Coverage(pool, candidates, measured, sigma, each)
        while len(picks) < budget:
            pick = _highest(coverage, gains)
            picks.append(pick)
            reasons.append(f"adds {gains[pick] / len(measured):.4f} to the coverage of the pool")
            coverage.cover(coverage.x[pick : pick + 1])
            gains[pick] = -np.inf
    return Chosen(candidates[picks], reasons)


def _highest(coverage: "_Coverage", gains: np.ndarray) -> int:
    """The candidate of the highest gain, ties to the smaller position. gains: what they were, or -inf for a pick; those
    that could be the highest are brought up to date.
    """
    known = np.zeros(len(gains), bool)
    while not known[best := int(gains.argmax())]:
        stale = np.flatnonzero(~known & (gains >= gains[known].max(initial=0)))
        if np.isfinite(gains[best]) and len(stale) > TOGETHER:
            stale = np.union1d(stale[np.argpartition(-gains[stale], TOGETHER)[:TOGETHER]], best)
        gains[stale] = coverage.gains(stale)
        known[stale] = True
    return best


class _Coverage:
    """How near (by the kernel) each measured image is to a chosen one, and what a candidate would add."""

    def __init__(self, pool: Pool, candidates: np.ndarray, measured: np.ndarray, sigma: float, each: Map) -> None:
        self.x = pool.take(candidates, np.float64)
        self.y = self.x if np.array_equal(candidates, measured) else pool.take(measured, np.float64)
        self.sigma = sigma
        self.each = each
        self.lengths = squares(self.y)
        self.covered = np.zeros(len(measured))
        for span in spans(len(pool.labelled), ROWS):
            self.cover(pool.take(pool.labelled[span], np.float64))

    def kernel(self, s: np.ndarray, columns: slice) -> np.ndarray:
        result = squared(s, self.y[columns], yy=self.lengths[columns])
        result /= -(self.sigma**2)
        return np.exp(result, out=result)

    def cover(self, chosen: np.ndarray) -> None:
        """Count these vectors (k, features) as chosen."""
        for columns in spans(len(self.y), COLUMNS):
            part = self.covered[columns]
            np.maximum(part, self.kernel(chosen, columns).max(axis=0), out=part)

    def gains(self, candidates: np.ndarray) -> np.ndarray:
        """What each of these adds to the sum of `covered`, (k,). Sums go from block to block in order, and are rounded:
        two images that are only near to each other add the same, whatever the order of the sums.
        """
        parts = [(rows, columns) for rows in spans(len(candidates), ROWS) for columns in spans(len(self.y), COLUMNS)]

        def gain(part: tuple[slice, slice]) -> np.ndarray:
            rows, columns = part
            added = self.kernel(self.x[candidates[rows]], columns)
            added -= self.covered[columns]
            return np.maximum(added, 0, out=added).sum(axis=1)

        result = np.zeros(len(candidates))
        for (rows, _), added in zip(parts, self.each(gain, parts), strict=True):
            result[rows] += added
        return result.round(9)
