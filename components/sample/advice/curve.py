"""Fit the learning curve error(m) = a m^(-b) + c to measured errors, and say how sure it is of what comes next."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import least_squares
from scipy.special import log_ndtr, ndtr, ndtri

from components.common.seeding import seeded

STEEPEST = 2.0  # largest b
STARTS = ((0.2, 0.0), (0.5, 0.5), (1.0, 0.8), (1.6, 0.2))  # b, and c as a share of the least error
STEPS_B, STEPS_C = 100, 80  # of the grid that the belief is worked out on
SAMPLES = 4000
LEAST_DEVIATION = 1e-3  # of a measured error: no probe is known better


class Curve(NamedTuple):
    a: float
    b: float
    c: float

    def at(self, labels: np.ndarray | float) -> np.ndarray:
        return self.a * np.asarray(labels, np.float64) ** -self.b + self.c


def fit(labels: np.ndarray, error: np.ndarray, deviation: np.ndarray) -> Curve:
    """The curve with the least sum of robust squares (soft L1) of (error - curve) / deviation, from several starts.

    labels, error, deviation: (k,), deviation in units of the error. a and c are at least 0, b is above 0 and at most 2.
    """
    labels, error = np.asarray(labels, np.float64), np.asarray(error, np.float64)
    weight = 1 / np.maximum(deviation, LEAST_DEVIATION)
    largest = labels[-1]

    def residuals(x: np.ndarray) -> np.ndarray:  # x: what the last point has above c, b, c
        return weight * (x[0] * (labels / largest) ** -x[1] + x[2] - error)

    tries = [
        least_squares(
            residuals,
            (max(error[-1] - share * error.min(), 1e-6), b, share * error.min()),
            bounds=((0, 1e-3, 0), (np.inf, STEEPEST, np.inf)),
            loss="soft_l1",
            xtol=1e-14,
            ftol=1e-14,
            gtol=1e-14,
            x_scale=(0.1, 1, 0.1),
        )
        for b, share in STARTS
    ]
    above, b, c = min(tries, key=lambda found: found.cost).x
    return Curve(float(above * largest**b), float(b), float(c))


@dataclass(frozen=True)
class Belief:
    """Curves that the measured errors leave possible, each as likely as the others; arrays (SAMPLES,)."""

    largest: float  # labels of the last point
    above: np.ndarray  # what the error at that point lies above c
    b: np.ndarray
    c: np.ndarray

    def at(self, labels: float) -> np.ndarray:
        """The error of each curve."""
        return self.above * (labels / self.largest) ** -self.b + self.c

    def labels_for(self, labels: float, gain: float) -> np.ndarray:
        """Labels beyond `labels` at which each curve lies `gain` lower; infinite where it never does."""
        rest = (labels / self.largest) ** -self.b - gain / np.maximum(self.above, 1e-12)
        with np.errstate(over="ignore", divide="ignore"):
            more = self.largest * np.maximum(rest, 0.0) ** (-1 / self.b) - labels
        return np.where(rest > 0, more, np.inf)


def belief(labels: np.ndarray, error: np.ndarray, covariance: np.ndarray, seed: int) -> Belief:
    """What is known of the curve, by Bayes' rule on a grid of (b, c) with a normal likelihood; a is integrated out.

    covariance: (k, k) of the measured errors. Before, every b in (0, 2] and every height of the curve above c are held
    equally likely, and of c every square root up to what the last point allows: low ones are common. Where the best
    curve misses the points by more than the covariance explains, this is raised until it explains them (Birge 1932).
    """
    labels, error = np.asarray(labels, np.float64), np.asarray(error, np.float64)
    factor = cho_factor(covariance)
    b = (np.arange(STEPS_B) + 0.5) / STEPS_B * STEEPEST
    ceiling = error[-1] + 3 * np.sqrt(covariance[-1, -1])
    c = ((np.arange(STEPS_C) + 0.5) / STEPS_C) ** 2 * ceiling
    shape = (labels[:, None] / labels[-1]) ** -b  # (k, b)
    rest = error[:, None] - c  # (k, c)
    weighted = cho_solve(factor, shape)
    precision = np.sum(shape * weighted, axis=0)[:, None]  # (b, 1)
    height = weighted.T @ rest / precision  # (b, c): the most likely one above c
    misfit = np.sum(rest * cho_solve(factor, rest), axis=0) - precision * height**2
    possible = misfit[height >= 0] if (height >= 0).any() else misfit
    scale = max(1.0, float(possible.min()) / max(1, len(labels) - 3))
    spread = np.sqrt(scale / precision)
    likelihood = -misfit / (2 * scale) + np.log(spread) + log_ndtr(height / spread)
    weight = np.exp(likelihood - likelihood.max()).ravel()
    rng = seeded(seed, "learning curve")[0]
    cell = rng.choice(weight.size, SAMPLES, p=weight / weight.sum())
    i, j = np.divmod(cell, STEPS_C)
    mean, deviation = height[i, j], spread[i, 0]
    below = ndtr(-mean / deviation)  # drawn from the part above 0
    above = mean + deviation * ndtri(below + (1 - below) * rng.uniform(1e-9, 1 - 1e-9, SAMPLES))
    return Belief(float(labels[-1]), np.maximum(above, 0.0), b[i], c[j])
