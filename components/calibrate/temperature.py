"""Fit a temperature (Guo et al. 2017) on few labels.

With the inverse temperature β = 1/T, the negative log-likelihood of the labels is convex in β. To it comes a weak
belief in T = 1, worth `prior` labels: k (β - 1 - log β), the negative logarithm of a Gamma density of β whose mode is
1. It keeps T finite where every label is right (the likelihood alone would claim certainty), fades as labels come in,
and leaves the sum convex: one minimum.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from components.common.metrics import nll, softmax

LEAST_LABELS = 10  # below, T stays 1: each fold of the check would hold less than one image
PRIOR = 2.0  # labels' worth of belief in T = 1
FOLDS = 10
LOG_BOUND = 10.0  # T is sought between exp(-10) and exp(10)


def fit_temperature(logits: np.ndarray, true: np.ndarray, prior: float = PRIOR) -> float:
    """Temperature of least negative log-likelihood, to 12 digits, by Brent's method on its slope over log T in float64.

    logits (images, classes), true (images,) class indices. Without a prior, labels that are all right, or all wrong,
    have no best
    temperature: the bound is returned.
    """
    z = np.asarray(logits, dtype=np.float64)
    z = z - z.max(axis=1, keepdims=True)
    chosen = z[np.arange(len(true)), true]

    def slope(log_t: float) -> float:  # of the sum over images, by β; rises with β, so falls with log T
        beta = np.exp(-log_t)
        expected = np.sum(softmax(z, 1 / beta) * z, axis=1)
        return float(np.sum(expected - chosen) + prior * (1 - 1 / beta))

    if slope(-LOG_BOUND) <= 0:
        return float(np.exp(-LOG_BOUND))
    if slope(LOG_BOUND) >= 0:
        return float(np.exp(LOG_BOUND))
    return float(np.exp(brentq(slope, -LOG_BOUND, LOG_BOUND, xtol=1e-13, rtol=1e-13)))


class Choice(NamedTuple):
    """The temperature to use, and why."""

    temperature: float
    helped: bool
    why: str


def choose_temperature(logits: np.ndarray, true: np.ndarray) -> Choice:
    """The fitted temperature if it predicts labels that it has not seen better than T = 1 does, else T = 1.

    Judged by the mean negative log-likelihood over `FOLDS` folds, each scored with the temperature of the others:
    figures on the fitted labels themselves would always look better.
    """
    n = len(true)
    if n < LEAST_LABELS:
        return Choice(
            1.0,
            False,
            f"T stays 1: {n} calibration labels are too few to fit one on ({LEAST_LABELS} are needed); "
            "raise sample.calibration_budget",
        )
    fold = np.arange(n) % FOLDS
    unseen = np.empty((n, logits.shape[1]))
    for k in range(FOLDS):
        unseen[fold == k] = softmax(logits[fold == k], fit_temperature(logits[fold != k], true[fold != k]))
    fitted = nll(unseen, true)
    kept = nll(softmax(logits), true)
    judged = f"on labels held back in turn, NLL {fitted:.4f} against {kept:.4f} at T=1"
    if fitted >= kept:
        return Choice(1.0, False, f"T stays 1: a fitted temperature would not help ({judged})")
    temperature = fit_temperature(logits, true)
    change = "softens an overconfident model" if temperature > 1 else "sharpens an underconfident model"
    return Choice(temperature, True, f"T={temperature:.3f} {change} ({judged})")
