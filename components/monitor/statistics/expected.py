"""Accuracy on images without labels, from how sure the classifier is.

Both estimates take for granted that confidence still means what it meant on the held-out images, which nothing here can
tell and no interval covers: images of a new class get confident answers too. Where a confidence is the chance to be
right, before and after, DoC is right and ATC exaggerates the fall; where the classifier stays too sure of what it gets
wrong, which is common, DoC sees too little of it. An audit measures the accuracy.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

DRAWS = 2000
BLOCK = 1 << 22  # resampled images at a time


class Estimate(NamedTuple):
    """An accuracy and its bootstrap interval, over the draw of both samples."""

    value: float
    low: float
    high: float


def atc(
    held_confidence: np.ndarray, held_correct: np.ndarray, confidence: np.ndarray, coverage: float, seed: int
) -> Estimate:
    """Average thresholded confidence (Garg et al. 2022): the share of images surer than a threshold, which is
    set such that of the held-out images as many are surer as are right.

    held_confidence, held_correct: (n,), of labelled images that the classifier has not learned from; confidence: (m,),
    of the images in question; n, m > 0; coverage: of the interval, 0.95 for 95 %. Of images whose confidence is the
    threshold, the same part counts in both samples.
    """
    held, right = _held(held_confidence, held_correct)
    answers = np.sort(np.asarray(confidence, np.float64))
    value = float(_surer(*_thresholds(held[None], right.mean()[None]), answers)[0])
    rng = np.random.default_rng([seed, len(held), len(answers)])
    drawn = []
    for rows in _resamples(held, right, rng):
        shares = _surer(*_thresholds(rows[0], rows[1].mean(axis=1)), answers)
        drawn.append(rng.binomial(len(answers), np.clip(shares, 0, 1)) / len(answers))
    return _estimate(value, np.concatenate(drawn), coverage)


def doc(
    held_confidence: np.ndarray, held_correct: np.ndarray, confidence: np.ndarray, coverage: float, seed: int
) -> Estimate:
    """Difference of confidences (Guillory et al. 2021): the held-out accuracy, less the fall of the mean confidence.

    Arguments as of `atc`.
    """
    held, right = _held(held_confidence, held_correct)
    answers = np.asarray(confidence, np.float64)
    rng = np.random.default_rng([seed, len(held), len(answers)])
    gaps = np.concatenate([(rows[1] - rows[0]).mean(axis=1) for rows in _resamples(held, right, rng)])
    # A mean of so many independent numbers is normal: resampling 100,000 of them for each draw would say no more.
    means = rng.normal(answers.mean(), answers.std() / np.sqrt(len(answers)), size=len(gaps))
    value = float(np.clip(right.mean() - held.mean() + answers.mean(), 0, 1))
    return _estimate(value, np.clip(gaps + means, 0, 1), coverage)


def _held(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(confidence, np.float64), np.asarray(correct, np.float64)


def _estimate(value: float, drawn: np.ndarray, coverage: float) -> Estimate:
    low, high = np.quantile(drawn, [(1 - coverage) / 2, (1 + coverage) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value))


def _resamples(
    held: np.ndarray, right: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Resampled confidences and answers, each (some, n), DRAWS in all. Half an image that is wrong and as sure as the
    least, and half one that is right and as sure as the most, are drawn from too (after Agresti and Min 2005): else a
    classifier that made no mistake in a few images would be one that never can.
    """
    n = len(held)
    confidence = np.r_[held, held, held.min(), held.max()]  # each image twice, so that half an image is one entry
    correct = np.r_[right, right, 0.0, 1.0]
    some = max(1, BLOCK // n)
    for start in range(0, DRAWS, some):
        rows = rng.integers(0, len(confidence), size=(min(some, DRAWS - start), n))
        yield confidence[rows], correct[rows]


def _thresholds(held: np.ndarray, accuracy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row of confidences (d, n) the threshold, and the part of the images at the threshold that counts as
    surer, such that in all a share `accuracy` (d,) does.
    """
    held = np.sort(held, axis=1)
    n = held.shape[1]
    wanted = accuracy * n
    at = np.clip(np.ceil(n - wanted).astype(int), 1, n) - 1
    threshold = np.take_along_axis(held, at[:, None], axis=1)
    above, equal = (held > threshold).sum(axis=1), (held == threshold).sum(axis=1)
    return threshold[:, 0], np.clip((wanted - above) / equal, 0, 1)


def _surer(threshold: np.ndarray, part: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Share of the answers (sorted) that counts as surer than each threshold (d,)."""
    below, upto = (np.searchsorted(answers, threshold, side) for side in ("left", "right"))
    return (len(answers) - upto + part * (upto - below)) / len(answers)
