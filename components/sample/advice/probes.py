"""Errors of a cheap probe at growing numbers of labels: linear, least squares, on frozen embeddings.

Each draw puts the training labels in a random order, and the probe learns from the first m of them, for each m: the
sets of a draw are nested. It is tried on the validation labels; or, where there are too few of them, on a fifth of the
training labels in turn, which it did not learn from.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from components.common.seeding import seeded

FEW = 30  # validation labels: with fewer, the training labels are cross-validated
FOLDS = 5
DRAWS = 20
FITS = 2e11  # operations that all probes may take together, about: a few seconds of one core
PENALTY = 0.3  # of the squared weights; embeddings have length 1
SIZES = 6  # points of the curve, each with sqrt(2) times the labels of the one before: few labels follow another law
LEAST = 6  # labels of the first point


class Tried(NamedTuple):
    sizes: np.ndarray  # labels of each point, ascending, int64 (k,)
    wrong: np.ndarray  # whether the probe was wrong, bool (draws, k, images tried on)
    by: str  # "validation" or "cross-validation"


def tried(
    x: np.ndarray, labels: np.ndarray, other: np.ndarray, other_labels: np.ndarray, classes: int, seed: int
) -> Tried | None:
    """Try the probe at each size; None where the labels are too few for two points.

    x: (m, features) unit length, labels: class indices (m,); other, other_labels: the same of validation, -1 for a
    class that has no training label, which counts as wrong. Equal results on any number of threads.
    """
    held_out = len(other) >= FEW
    sizes = _sizes(len(x) if held_out else len(x) - -(-len(x) // FOLDS), classes)
    if len(sizes) < 2 or classes < 2:
        return None
    with threadpool_limits(1):
        x, other = _reduced(x, other)
        cost = sum(min(m, x.shape[1]) ** 2 * max(m, x.shape[1]) for m in sizes) * (1 if held_out else FOLDS)
        draws = int(np.clip(FITS / cost, 3, DRAWS if held_out else DRAWS // 2))
        rng = seeded(seed, "probes")[0]
        wrong = np.empty((draws, len(sizes), len(other) if held_out else len(x)), bool)
        for draw in range(draws):
            order = rng.permutation(len(x))
            parts = [(order, other, other_labels, slice(None))] if held_out else _folds(order, x, labels)
            for learned, images, true, place in parts:
                for k, m in enumerate(sizes):
                    weights = fit(x[learned[:m]], labels[learned[:m]], classes)
                    wrong[draw, k, place] = (images @ weights).argmax(axis=1) != true
    return Tried(sizes, wrong, "validation" if held_out else "cross-validation")


def fit(x: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Weights (features, classes) with the least squared distance to one-hot labels, plus PENALTY |W|²."""
    wanted = np.eye(classes)[labels]
    rows, columns = x.shape
    if rows < columns:
        return x.T @ cho_solve(cho_factor(x @ x.T + PENALTY * np.eye(rows)), wanted)
    return cho_solve(cho_factor(x.T @ x + PENALTY * np.eye(columns)), x.T @ wanted)


def _sizes(most: int, classes: int) -> np.ndarray:
    """Labels of each point, the last of which is `most`."""
    steps = np.round(most / np.sqrt(2) ** np.arange(SIZES)[::-1]).astype(np.int64)
    return np.unique(steps[steps >= min(most, max(LEAST, classes))])


def _reduced(x: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with a constant beside the features, float64, in coordinates of the space that `x` spans: what a fit to `x`
    says is the same, and it has no more columns than `x` has rows.
    """
    x, other = (np.hstack([each, np.ones((len(each), 1))]).astype(np.float64) for each in (x, other))
    if len(x) >= x.shape[1]:
        return x, other
    basis = np.linalg.qr(x.T)[0]
    return x @ basis, other @ basis


def _folds(
    order: np.ndarray, x: np.ndarray, labels: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Of each fold: what is learned from, in order; images, labels and places of those left out."""
    parts = []
    for fold in range(FOLDS):
        out = order[fold::FOLDS]
        parts.append((np.delete(order, np.s_[fold::FOLDS]), x[out], labels[out], out))
    return parts
