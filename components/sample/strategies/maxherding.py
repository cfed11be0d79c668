"""Pick the image that adds most to how well the pool is covered."""

import numpy as np

from components.sample.strategies.distances import Map, spans, squared, workers
from components.sample.strategies.pool import Chosen, Pool, drawn

LIMIT = 20_000  # images that are candidates, and images that coverage is measured on
KEPT = 50_000_000  # entries of the kernel that are kept, 400 MB; where there are more, each is computed when it is used
SPREAD = 2_000  # images that the median distance is taken of
ROWS, COLUMNS = 1024, 1024  # of a block of the kernel: 8 MiB


def maxherding(pool: Pool, budget: int, sigma: float | None = None) -> Chosen:
    """MaxHerding (Bae et al. 2024): greedily maximise the generalized coverage, the mean over the pool of
    max over chosen s of k(x, s), with the Gaussian kernel k(x, s) = exp(-|x - s|^2 / sigma^2).

    sigma: half the median distance between images where it is not given. The paper has 1, which is too wide where an
    encoder's images lie close together: there all images cover each other.

    Exact: a pick changes the gains only through the images that are nearer to it than to any before, about one in t at
    pick t. Of a pool of more than 20,000 images as many, drawn uniformly by the seed, are candidates, and coverage is
    measured on as many.
    """
    candidates = drawn(pool, np.flatnonzero(pool.free), max(LIMIT, budget), "candidates")
    budget = min(budget, len(candidates))
    if budget <= 0:
        return Chosen(np.empty(0, np.int64), [])
    measured = drawn(pool, np.arange(len(pool)), LIMIT, "measured")
    picks: list[int] = []
    reasons: list[str] = []
    left = np.ones(len(candidates), bool)
    with workers(pool.threads) as each:
        sigma = half_median(pool, measured) if sigma is None else sigma
        kernel = _Kernel(pool, measured, candidates, sigma, each)
        covered = np.zeros(len(measured))
        for span in spans(len(pool.labelled), ROWS):
            np.maximum(covered, kernel.of(pool.take(pool.labelled[span], np.float64)).max(axis=1), out=covered)
        gains = kernel.gains(np.arange(len(measured)), covered, np.ones(len(measured)))
        while len(picks) < budget:
            # rounded: two images that are only near to each other add the same, whatever the order of the sums
            pick = int(np.where(left, gains.round(6), -1).argmax())
            picks.append(pick)
            left[pick] = False
            reasons.append(f"adds {abs(gains[pick]) / len(measured):.4f} to the coverage of the pool")
            after = np.maximum(covered, kernel.of(kernel.x[pick : pick + 1])[:, 0])
            rows = np.flatnonzero(after > covered)
            gains -= kernel.gains(rows, covered[rows], after[rows])
            covered = after
    return Chosen(candidates[picks], reasons)


def half_median(pool: Pool, measured: np.ndarray) -> float:
    """Half the median distance between at most 2,000 of these images, drawn by the seed; 1 where that is nothing."""
    some = pool.take(drawn(pool, measured, SPREAD, "sigma"), np.float64)
    between = squared(some, some)[np.triu_indices(len(some), 1)]
    half = float(np.sqrt(np.median(between))) / 2 if len(between) else 0.0
    return half or 1.0


class _Kernel:
    """k(y, x) of measured images y and candidates x, block by block."""

    def __init__(self, pool: Pool, measured: np.ndarray, candidates: np.ndarray, sigma: float, each: Map) -> None:
        self.x = pool.take(candidates, np.float64)
        self.y = self.x if np.array_equal(candidates, measured) else pool.take(measured, np.float64)
        self.sigma = sigma
        self.each = each
        self.kept: np.ndarray | None = None
        if len(self.x) * len(self.y) <= KEPT:
            self.kept = self._whole()

    def _whole(self) -> np.ndarray:
        whole = np.empty((len(self.y), len(self.x)))

        def fill(rows: slice) -> None:
            whole[rows] = self.of(self.x, rows)

        list(self.each(fill, spans(len(self.y), ROWS)))
        return whole

    def of(self, x: np.ndarray, rows: slice | np.ndarray = slice(None)) -> np.ndarray:
        """The kernel of some measured images and other vectors: (rows, vectors)."""
        result = squared(self.y[rows], x)
        result /= -(self.sigma**2)
        return np.exp(result, out=result)

    def gains(self, rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """The sum over some measured images of how far each candidate lifts them above `low`, counted up to `high`:
        (rows,) each to (candidates,). Sums go from block to block in order.
        """

        def gain(columns: slice) -> np.ndarray:
            total = np.zeros(columns.stop - columns.start)
            for part in spans(len(rows), ROWS):
                some = rows[part]
                lift = self.of(self.x[columns], some) if self.kept is None else self.kept[some, columns]
                lift -= low[part, None]
                total += np.clip(lift, 0, (high - low)[part, None], out=lift).sum(axis=0)
            return total

        return np.concatenate(list(self.each(gain, spans(len(self.x), COLUMNS))))
