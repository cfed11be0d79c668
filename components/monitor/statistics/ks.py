"""Which columns of two samples are distributed differently: a test for each, corrected for their number."""

import numpy as np
from scipy.special import kolmogorov


def ks(reference: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided Kolmogorov-Smirnov distance and its p, each (f,) float64, of each column.

    reference: (n, f), observed: (m, f), of finite numbers. The distance is the largest difference of the two empirical
    distribution functions, which is 0 to 1. p is Kolmogorov's limit (1933) at the square root of nm / (n + m): as the
    tests show, it's at or above the exact one wherever that is 0.05 or less, for 20 images and more. Equal values make
    it larger still, never smaller: the exact p is that of distributions without steps, and steps only bring the two
    functions closer.
    """
    x = np.asarray(reference, np.float32)
    y = np.asarray(observed, np.float32)
    n, m = len(x), len(y)
    if not n or not m:
        raise ValueError(f"{n} and {m} rows; one of each is the least")
    distance = np.array([_distance(np.sort(x[:, j]), np.sort(y[:, j])) for j in range(x.shape[1])])
    return distance, kolmogorov(np.sqrt(n * m / (n + m)) * distance)


def _distance(x: np.ndarray, y: np.ndarray) -> float:
    """x: (n,), y: (m,), both sorted. Between two values of x its function is level and that of y rises, so the extremes
    lie at the values of x and just before them.
    """
    n, m = len(x), len(y)
    at = np.searchsorted(y, x, side="right") / m - np.searchsorted(x, x, side="right") / n
    before = np.searchsorted(y, x, side="left") / m - np.searchsorted(x, x, side="left") / n
    return float(max(np.abs(at).max(), np.abs(before).max()))


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjusted p (f,): those up to q are the discoveries at a false discovery rate of q (Benjamini and Hochberg 1995).

    The smallest of them is Simes' p (1986) of the hypothesis that no column changed, valid where the columns'
    statistics are independent or positively dependent (Sarkar 1998); of any other dependence it is at most 1 + 1/2 +
    ... + 1/f times too small (Benjamini and Yekutieli 2001).
    """
    p = np.asarray(p, np.float64)
    order = np.argsort(p, kind="stable")
    raised = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1)
    return adjusted
