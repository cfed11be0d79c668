"""Thresholds that keep a promise: above which confidence the model is right as often as is wanted, and how unlikely a
class may be and still belong to the set that holds the true one.
"""

from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
from scipy.stats import beta, binom, nbinom

LEVEL = 0.9  # probability, over calibration sets, that the precision is what was promised
GRID = np.append(1 - 10 ** (-np.arange(60, 0, -1) / 10), 0)  # thresholds tried, from the surest; 0 answers every image
ERRORS = (3, 15, 63, 255)  # wrong answers among the surest that a later start bears
MORE = "raise sample.calibration_budget, or lower calibrate."


def thresholds(probabilities: np.ndarray, true: np.ndarray, precision: float, coverage: float) -> dict[str, Any]:
    """`thresholds` of calibration.json: both promises, each null with a reason where the labels do not carry it.

    probabilities (images, classes) after the temperature, 0 for a class that the model does not know; true (images,)
    class indices.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
    return {
        "precision": precision_threshold(confidence, right, precision),
        "conformal": conformal_quantile(1 - probabilities[np.arange(len(true)), true], coverage),
    }


def precision_threshold(
    confidence: np.ndarray, right: np.ndarray, wanted: float, level: float = LEVEL
) -> dict[str, Any]:
    """The lowest confidence at and above which answers are right with a probability of at least `wanted`, with
    certainty `level`.

    confidence (images,), right (images,) boolean. The thresholds of GRID are tested from the highest down until one
    fails: fixed-sequence testing (Angelopoulos et al., Learn then Test, 2021), from several starts that share the level
    (`starts`). Each test is exact: given how many images lie above a threshold, those that are right are binomial
    (Clopper and Pearson 1934). A start is the first threshold that enough images lie above; that the number was seen
    holds the promise as long as images of higher confidence are not right less often.
    """
    n = len(right)
    about: dict[str, Any] = {
        "wanted": wanted,
        "threshold": None,
        "abstained": None,
        "low": None,
        "level": level,
        "method": "fixed-sequence testing of exact binomial bounds",
        "images": n,
    }
    least = images_needed(0, wanted, level)
    if n < least:
        short = f"{n} calibration labels are too few: even if all are right, {wanted:.1%} takes {least}"
        return {**about, "why": f"no threshold: {short}; {MORE}precision"}
    above = np.array([np.sum(confidence >= threshold) for threshold in GRID])
    hits = np.array([np.sum(right[confidence >= threshold]) for threshold in GRID])
    sizes, each = starts(n, wanted, level)
    passes = binom.sf(hits - 1, above, wanted) <= 1 - each  # so many right ones, were the precision only `wanted`
    last = -1  # the lowest threshold that passes, with all before it up to a start
    for start in np.searchsorted(above, sizes):
        number = int(np.argmin(np.append(passes[start:], False)))  # thresholds in a row that pass
        last = max(last, start + number - 1) if number else last
    if last < 0:
        first = int(np.searchsorted(above, sizes[0]))
        found = f"of the {above[first]} surest calibration images {above[first] - hits[first]} are wrong"
        return {**about, "why": f"no threshold: {found}, too many to promise {wanted:.1%}; {MORE}precision"}
    threshold, abstained = float(GRID[last]), float(1 - above[last] / n)
    why = (
        f"at a confidence of {threshold:.4f} and above, {hits[last]} of {above[last]} calibration images are right, "
        f"which promises {wanted:.1%} with {level:.0%} certainty; {abstained:.1%} lie below"
    )
    low = lower_bound(int(hits[last]), int(above[last]), each)
    return {**about, "threshold": threshold, "abstained": abstained, "low": low, "why": why}


def conformal_quantile(scores: np.ndarray, coverage: float) -> dict[str, Any]:
    """The score up to which a class belongs to an image's set, so that the set holds the true class with probability
    `coverage` or more, on average over calibration sets (split conformal prediction: Vovk et al. 2005; this score:
    Sadinle et al. 2019).

    scores (images,): 1 - probability of the true class; of n scores, it is the ceil((n + 1) coverage) smallest. A class
    that the model does not know has score 1, and no set can hold it.
    """
    n = len(scores)
    about: dict[str, Any] = {
        "coverage": coverage,
        "score": "1 - probability of the true class",
        "quantile": None,
        "images": n,
    }
    share = Fraction(repr(coverage))  # 0.9 is nine tenths here, so that ceil() does not see its last bit
    place = ceil((n + 1) * share)
    if place > n:
        least = ceil(share / (1 - share))
        short = f"{n} calibration labels are too few: {coverage:.1%} takes {least}"
        return {**about, "why": f"no sets: {short}; {MORE}coverage"}
    quantile = float(np.sort(scores)[place - 1])
    if quantile >= 1:
        unknown = f"{np.sum(scores >= 1)} of {n} calibration images are of classes that the model does not know"
        return {**about, "why": f"no sets: {unknown}; label some of them for training, or lower calibrate.coverage"}
    why = f"{place} of {n} calibration images have their true class at a probability of {1 - quantile:.4f} or more"
    return {**about, "quantile": quantile, "why": why}


def starts(n: int, wanted: float, level: float) -> tuple[list[int], float]:
    """Images that must lie above the first threshold of each sequence of tests, and the level of each sequence.

    One start suffices where a model is sure and right; where n images are many, later ones bear a few early errors. The
    levels are such that all sequences together err as seldom as one at `level`.
    """
    borne = [0, *(errors for errors in ERRORS if images_needed(errors, wanted, level) <= n / 2)]
    each = 1 - (1 - level) / len(borne)
    return [images_needed(errors, wanted, each) for errors in borne], each


def images_needed(errors: int, wanted: float, level: float) -> int:
    """The fewest images that prove a precision of `wanted` where so many of them are wrong."""
    return int(nbinom.isf(1 - level, errors + 1, 1 - wanted)) + errors + 1


def lower_bound(right: int, n: int, level: float) -> float:
    """Precision that is exceeded with certainty `level`, where `right` of n are (Clopper and Pearson 1934)."""
    return float(beta.ppf(1 - level, right, n - right + 1)) if right else 0.0
