"""Bounds that hold however often somebody looks: levels of a year of looks, and intervals for all times at once."""

from collections.abc import Mapping

import numpy as np

YEAR = 365.25 * 86_400  # seconds
BETS = np.geomspace(0.02, 5, 24)  # small ones for the thousandth label, large ones for the tenth
HALVINGS = 30


def share_of_year(seconds: float, false_alarms: float) -> float:
    """Level of a look whose images cover so many seconds: the part of a year's `false_alarms` that its time is.

    Windows of looks do not overlap, so the levels of those within any year add up to `false_alarms` at most, and so
    does the chance that one of them is a false alarm, by the union bound (alpha spending, after Lan and DeMets 1983,
    by calendar time). Nothing better is open to them: all are compared with one reference, so that their p depend on
    one another, and a product of e-values over looks would be none. In 500 years of 52 looks without drift, 2.8 % had a
    significant test where 4 % were asked for (`make bench`, drift).
    """
    return false_alarms * min(1.0, max(0.0, seconds) / YEAR)


def split_level(level: float, weights: Mapping[str, float]) -> dict[str, float]:
    """Levels that add up to `level`, in proportion to the weights of what shares it."""
    total = sum(weights.values())
    return {name: level * weight / total for name, weight in weights.items()}


def confidence_sequence(right: np.ndarray, coverage: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds (n,) of an accuracy after each label, that hold at all times at once with this chance.

    right: boolean (n,), in the order of time. What they bound is the mean, over the labels so far, of the chance that
    an answer was right, which may change over time. A bet against it of a fixed size l multiplies what it is worth by
    exp(l right - log(1 + p (exp(l) - 1))), which no chance p makes grow on average; the bounds are where the mean worth
    of the bets BETS reaches 2 / (1 - coverage), which by Ville's inequality (1939) it does with that chance at most
    (a discrete mixture: Howard et al. 2021, section 3.3). The bounds aren't intersected over time: yesterday's mean
    is not today's.
    """
    right = np.asarray(right, np.float64)
    t = np.arange(1, len(right) + 1, dtype=np.float64)
    wins = np.cumsum(right)
    return _lower(wins, t, (1 - coverage) / 2), 1 - _lower(t - wins, t, (1 - coverage) / 2)


def _lower(wins: np.ndarray, t: np.ndarray, alpha: float) -> np.ndarray:
    """The smallest mean that bets on more have not refuted, by halving; from below, so that it is never too large."""
    low, high = np.zeros(len(t)), wins / np.maximum(t, 1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        refuted = _worth(wins, t, middle) >= -np.log(alpha)
        low, high = np.where(refuted, middle, low), np.where(refuted, high, middle)
    return low


def _worth(wins: np.ndarray, t: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Logarithm of the mean worth of the bets that the mean is larger than `mean`. All (n,)."""
    each = wins[:, None] * BETS - t[:, None] * np.log1p(mean[:, None] * np.expm1(BETS))
    largest = each.max(axis=1, initial=-np.inf)
    return largest + np.log(np.exp(each - largest[:, None]).mean(axis=1))
