"""How many mistakes remain when a model may decline to answer where it is least sure."""

from typing import Any

import numpy as np

POINTS = 50  # of the curve


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """The curve of risk against coverage, and the area under it (AURC: El-Yaniv and Wiener 2010; Geifman et al. 2019).

    confidence: (n,); right: boolean (n,), n > 0. At a coverage of k/n the k surest images are answered, and the risk is
    the share of these that is wrong; among images of equal confidence, mistakes count as spread evenly. `aurc` is the
    mean risk over all k; `aurc_best` what it would be if every mistake were less sure than every right answer.
    """
    n = len(right)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(_spread(confidence[order], ~right[order]))
    answered = np.arange(1, n + 1)
    risk = wrong / answered
    mistakes = int(np.sum(~right))
    best = np.maximum(0, answered - (n - mistakes)) / answered
    at = np.unique(np.ceil(np.linspace(1 / POINTS, 1, POINTS) * n).astype(np.int64)) - 1
    return {
        "coverage": (answered[at] / n).tolist(),
        "risk": risk[at].tolist(),
        "aurc": float(risk.mean()),
        "aurc_best": float(best.mean()),
    }


def _spread(confidence: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Mistakes (n,), those of equal confidence shared among the images that have it; both in order of confidence."""
    start = np.flatnonzero(np.r_[True, confidence[1:] != confidence[:-1]])
    sizes = np.diff(np.r_[start, len(confidence)])
    return np.repeat(np.add.reduceat(wrong.astype(np.float64), start) / sizes, sizes)
