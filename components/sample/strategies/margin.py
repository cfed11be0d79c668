"""Margin: images whose two likeliest classes are nearly equally likely."""

from collections.abc import Sequence

import numpy as np

from components.sample.strategies.order import highest, score
from components.sample.strategies.pool import Chosen, Pool


def margin(pool: Pool, budget: int, probabilities: np.ndarray, classes: Sequence[str]) -> Chosen:
    """The smallest differences between the two highest probabilities (Scheffer, Decomain and Wrobel 2001).

    probabilities: (n, classes) of a classifier, two classes at least; classes: their names, for the reasons.
    """
    picks = highest(pool, -score(probabilities, gap), budget)
    return Chosen(picks, [between(row, classes) for row in probabilities[picks]])


def gap(probabilities: np.ndarray) -> np.ndarray:
    """Difference between the two highest of each row: (k, classes) to (k,)."""
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0]


def between(probabilities: np.ndarray, classes: Sequence[str]) -> str:
    """The two likeliest classes in words; probabilities: (classes,)."""
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    shares = f"{probabilities[first]:.2f} against {probabilities[second]:.2f}"
    return f"between {classes[first]} and {classes[second]} ({shares})"
