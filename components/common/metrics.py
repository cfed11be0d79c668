"""Metrics of accuracy and calibration: pure functions in float64.

Shapes: `probabilities` (images, classes), rows sum to 1; `true` and `predicted` (images,) class indices.
"""

from typing import NamedTuple

import numpy as np

Array = np.ndarray

NORMAL_95 = 1.959963984540054  # 97.5 % quantile of the standard normal distribution


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Probabilities of logits over a temperature, float64; above 1 softens, below 1 sharpens (Guo et al. 2017)."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def accuracy(true: Array, predicted: Array) -> float:
    """Share of images whose predicted class is the true one."""
    return float(np.mean(true == predicted))


def wilson_interval(correct: int, n: int, z: float = NORMAL_95) -> tuple[float, float]:
    """Confidence interval of a share, sound also near 0 and 1 and for few images (Wilson 1927); (0, 1) of nothing."""
    if n == 0:
        return 0.0, 1.0
    share = correct / n
    z2 = z * z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def confusion_matrix(true: Array, predicted: Array, classes: int) -> Array:
    """Counts (classes, classes), int64: rows are true classes, columns predicted ones."""
    return np.bincount(np.asarray(true) * classes + np.asarray(predicted), minlength=classes * classes).reshape(
        classes, classes
    )


class PerClass(NamedTuple):
    """One figure per class, each (classes,) float64; NaN where it has no meaning (0/0)."""

    precision: Array  # of the images called this class, the share that are: NaN if it was never called
    recall: Array  # of the images of this class, the share that were found: NaN if there are none
    f1: Array
    support: Array  # images of this class, int64


def per_class(matrix: Array) -> PerClass:
    """Precision, recall, F1 and support of each class of a confusion matrix."""
    hits = np.diag(matrix).astype(np.float64)
    support = matrix.sum(axis=1)
    called = matrix.sum(axis=0)
    return PerClass(_ratio(hits, called), _ratio(hits, support), _ratio(2 * hits, support + called), support)


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


class Bins(NamedTuple):
    """A reliability diagram's bars, each array (bins,): NaN where a bin is empty."""

    lower: Array
    upper: Array
    images: Array  # int64
    confidence: Array  # their mean confidence
    accuracy: Array  # the share of them that is right


def reliability(confidence: Array, correct: Array, bins: int) -> Bins:
    """Equal-width bins of confidence. Bin k holds k/bins < confidence <= (k+1)/bins; a confidence of 0 counts to the
    first.
    """
    edges = np.arange(bins + 1) / bins
    confidence = np.asarray(confidence, dtype=np.float64)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    images = np.bincount(place, minlength=bins)
    mean = _ratio(np.bincount(place, weights=confidence, minlength=bins), images)
    right = _ratio(np.bincount(place, weights=np.asarray(correct, dtype=np.float64), minlength=bins), images)
    return Bins(edges[:-1], edges[1:], images, mean, right)


def ece(probabilities: Array, true: Array, bins: int) -> float:
    """Expected calibration error of probabilities: their highest is the confidence (Naeini et al. 2015; Guo et al.
    2017).
    """
    return calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == true, bins)


def calibration_error(confidence: Array, correct: Array, bins: int) -> float:
    """Expected calibration error: mean gap between confidence and accuracy over `reliability`'s bins, weighted by their
    images.
    """
    table = reliability(confidence, correct, bins)
    filled = table.images > 0
    gaps = np.abs(table.accuracy[filled] - table.confidence[filled])
    return float(np.sum(table.images[filled] * gaps) / len(confidence))


def abstains(probabilities: Array, threshold: float) -> Array:
    """Images (images,) that go to a person: their confidence is below the threshold of the wanted precision."""
    return probabilities.max(axis=1) < threshold


def entropy(probabilities: Array) -> Array:
    """Entropy of each row of probabilities (images,), in nats; a probability of 0 adds nothing."""
    p = np.asarray(probabilities, dtype=np.float64)
    return -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=1) + 0.0


def conformal_sets(probabilities: Array, quantile: float) -> Array:
    """Which classes each image's set holds (images, classes): those of score 1 - probability up to the quantile."""
    return 1 - probabilities <= quantile


def nll(probabilities: Array, true: Array) -> float:
    """Mean negative log-likelihood of the true classes, in nats; a probability of 0 counts as the smallest normal
    float64.
    """
    chosen = probabilities[np.arange(len(true)), true]
    return float(-np.mean(np.log(np.maximum(chosen, np.finfo(np.float64).tiny))))


def brier(probabilities: Array, true: Array) -> float:
    """Mean over images of the squared distance to the one-hot truth, summed over classes: 0 is perfect, 2 the worst
    (Brier 1950).
    """
    chosen = probabilities[np.arange(len(true)), true]
    return float(np.mean(np.sum(probabilities**2, axis=1) - 2 * chosen + 1))
