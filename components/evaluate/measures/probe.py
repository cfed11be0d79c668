"""What a linear probe on embeddings says of each training label without having learned from it."""

import numpy as np
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from components.common.metrics import nll, softmax

PENALTIES = np.logspace(-4, 2, 13)  # of the squared weights, tried; embeddings are scaled to a mean square of 1
TEMPERATURES = np.logspace(-2, 0, 21)  # tried; scores of least squares lie about 0 and 1


def held_out(x: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: int) -> np.ndarray:
    """Probabilities (n, classes), float64, each from a probe that was fitted to the images of all other groups.

    x: embeddings (n, features); labels: class indices (n,); groups: (n,), near-duplicates share one. The probe is least
    squares to one-hot labels with a penalty, for which leaving out follows from one fit (PRESS, Allen 1974): with H the
    matrix that makes fitted values of labels, the residuals of a group g that is left out are (I - H_gg)^-1 (Y - HY)_g.
    The penalty is the one with the smallest such residuals, and the scores become probabilities by the softmax whose
    temperature makes the labels likeliest.
    """
    with threadpool_limits(1):
        wanted = np.eye(classes)[labels]
        together = _together(groups)
        x = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
        x /= np.sqrt((x**2).sum(axis=1).mean()) or 1.0
        u, squares = _axes(x)
        tried = (_residuals(u, squares, wanted, penalty, together) for penalty in PENALTIES)
        scores = wanted - min(tried, key=lambda left: float((left**2).sum()))
    return min((softmax(scores, t) for t in TEMPERATURES), key=lambda p: nll(p, labels))


def _together(groups: np.ndarray) -> list[np.ndarray]:
    """Positions of each group of several images."""
    _, of, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(of, kind="stable")
    return [part for part in np.split(order, np.cumsum(counts)[:-1]) if len(part) > 1]


def _axes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors (n, k) of x and squares of the singular values (k,), by way of the smaller Gram matrix."""
    wide = len(x) < x.shape[1]
    squares, vectors = eigh(x @ x.T if wide else x.T @ x)
    kept = squares > 1e-12 * squares.max(initial=0)
    squares, vectors = squares[kept], vectors[:, kept]
    return vectors if wide else x @ vectors / np.sqrt(squares), squares


def _residuals(
    u: np.ndarray, squares: np.ndarray, wanted: np.ndarray, penalty: float, together: list[np.ndarray]
) -> np.ndarray:
    """Residuals (n, classes) of every image whose group was left out. u, squares: `_axes` of the embeddings."""
    n = len(u)
    kept = u * np.sqrt(squares / (squares + penalty * n))  # H = 1/n + kept keptᵀ
    mean = wanted.mean(axis=0)
    left = wanted - mean - kept @ (kept.T @ (wanted - mean))
    own = np.minimum(1 / n + (kept**2).sum(axis=1), 1 - 1e-9)
    result = left / (1 - own)[:, None]
    for group in together:
        hat = 1 / n + kept[group] @ kept[group].T
        result[group] = np.linalg.lstsq(np.eye(len(group)) - hat, left[group], rcond=None)[0]
    return result
