"""How frequent each class has become, seen through the mistakes of the classifier: black-box shift estimation."""

from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc

from components.monitor.statistics.montecarlo import sequential_p

CONDITION = 1e4  # of the confusion's conditional shares, above which dividing by them gives noise
DRAWN = 1 << 24  # numbers of a block of resampled confusions, at most


class Shares(NamedTuple):
    """Estimated shares of the classes, each array (k,) float64; NaN where `why` says that they can't be estimated."""

    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    predicted_p: float  # that the predictions' shares are those of the held-out images
    condition: float  # of the shares of answers by true class; infinite where they can't be inverted
    why: str  # "" or the sentence why there is no estimate


def estimate_shares(
    confusion: np.ndarray, predicted: np.ndarray, coverage: float, draws: int, seed: int, level: float = 1e-3
) -> Shares:
    """Shares of the true classes among images of which only the predicted classes are known (Lipton et al. 2018).

    confusion: (k, k) counts of held-out labelled images, rows are true classes, columns predicted ones; predicted: (k,)
    counts; coverage: of the interval, for 95 % 0.95; level: that `predicted_p` is to be told at (`shares_p`).

    Assumes label shift: images of a class look as they did, only their number changed. Then the shares q of true
    classes solve mu = A' q, with A the shares of answers by true class and mu those among the predictions (their
    estimator, of shares in place of weights); the solution is moved to the nearest distribution. A class or a kind of
    image that is new breaks the assumption, and no interval covers that. The interval is by the bootstrap (percentiles)
    over the rows of the confusion and over the predictions.
    """
    counts, seen = np.asarray(confusion, np.float64), np.asarray(predicted, np.float64)
    k = len(seen)
    p = shares_p(counts.sum(axis=0), seen, level, seed)
    missing = np.full(k, np.nan)
    why, condition = _trouble(counts, seen)
    if why:
        return Shares(missing, missing, missing, p, condition, why)
    estimate = simplex(np.linalg.solve(_rows(counts).T, seen / seen.sum())[None])[0]
    resampled = _bootstrap(counts, seen, draws, np.random.default_rng([seed, k, draws]))
    low, high = np.quantile(resampled, [(1 - coverage) / 2, (1 + coverage) / 2], axis=0)
    return Shares(estimate, np.minimum(low, estimate), np.maximum(high, estimate), p, condition, "")


def shares_p(reference: np.ndarray, observed: np.ndarray, level: float, seed: int) -> float:
    """p that two rows of counts (k,) come from the same shares, exact for any counts: a permutation test.

    The statistic is the largest standardised difference of a class or chi-square, whichever is more extreme: one class
    that swells shows in the first, a change of all in the second. `level` sets how many permutations there are; see
    `sequential_p`.
    """
    counts = np.array([reference, observed], np.int64)
    pooled = counts.sum(axis=0)
    counts, pooled = counts[:, pooled > 0], pooled[pooled > 0]
    n, m = counts.sum(axis=1)
    if not n or not m or len(pooled) < 2:
        return 1.0
    rng = np.random.default_rng([seed, n, m])

    def draw(count: int) -> np.ndarray:
        return _unlike(rng.multivariate_hypergeometric(pooled, m, size=count, method="marginals"), pooled, m)

    least = float(_unlike(counts[1:], pooled, m)[0]) * (1 + 1e-9)  # rounding must not part equal counts
    return sequential_p(least, draw, level)[0]


def simplex(x: np.ndarray) -> np.ndarray:
    """The nearest distribution to each row, by Euclid's distance (Duchi et al. 2008, figure 1). x: (n, k)."""
    k = x.shape[1]
    falling = -np.sort(-x, axis=1)
    over = (np.cumsum(falling, axis=1) - 1) / np.arange(1, k + 1)
    kept = (falling > over).sum(axis=1)
    return np.maximum(x - over[np.arange(len(x)), kept - 1][:, None], 0)


def _unlike(observed: np.ndarray, pooled: np.ndarray, m: int) -> np.ndarray:
    """How far each row of counts (draws, k) is from the pooled shares, larger is farther: less the smaller of two p's,
    of chi-square and of the largest standardised difference of a class (of k, after Bonferroni), which hold for large
    counts; the permutations make one exact test of the two.
    """
    shares, k = pooled / pooled.sum(), len(pooled)
    squares = (observed - m * shares) ** 2 / (m * shares * (1 - m / pooled.sum()))
    together = chdtrc(k - 1, squares.sum(axis=1))
    largest = k * chdtrc(1, (squares / (1 - shares)).max(axis=1))
    return -np.minimum(together, largest)


def _trouble(counts: np.ndarray, seen: np.ndarray) -> tuple[str, float]:
    """Why there can't be an estimate, "" if there can, and the condition of the confusion."""
    if not seen.sum():
        return "there are no predictions", np.inf
    empty = np.flatnonzero(counts.sum(axis=1) == 0)
    if len(empty):
        return f"{len(empty)} of {len(counts)} classes have no labelled held-out image", np.inf
    condition = float(np.linalg.cond(_rows(counts)))
    if not condition < CONDITION:
        return "the classifier confuses some classes so much that their shares can't be told apart", condition
    return "", condition


def _rows(counts: np.ndarray) -> np.ndarray:
    """Each row as shares. counts: (..., k, k), no row empty."""
    return counts / counts.sum(axis=-1, keepdims=True)


def _bootstrap(counts: np.ndarray, seen: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Estimates (draws, k) from resampled counts. To each row of the confusion one image is added, spread over its
    classes: else a class that was never mistaken in a few images would be one that never can be.
    """
    k = len(seen)
    shares = _rows(counts + 1 / k)
    images = counts.sum(axis=1).astype(np.int64)
    total = int(seen.sum())
    parts = []
    for start in range(0, draws, block := max(1, DRAWN // k**2)):
        some = min(block, draws - start)
        rows = rng.multinomial(images, shares, size=(some, k)).astype(np.float64)
        answers = rng.multinomial(total, seen / total, size=some) / total
        parts.append(simplex(_solved(_rows(rows), answers)))
    return np.concatenate(parts)


def _solved(rows: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """q of answers = rows' q for each draw; least squares where a draw can't be inverted."""
    turned = rows.transpose(0, 2, 1)
    try:
        return np.linalg.solve(turned, answers[..., None])[..., 0]
    except np.linalg.LinAlgError:
        return np.einsum("dij,dj->di", np.linalg.pinv(turned), answers)
