"""What the thresholds of calibrate give on the test split: the promises, on images that had no part in them."""

from typing import Any

import numpy as np

from components.common import metrics as m


def kept(promised: dict[str, Any] | None, probabilities: np.ndarray, true: np.ndarray) -> dict[str, Any] | None:
    """`thresholds` of metrics.json: those of calibration.json, and beside each the share found on the test images with
    its 95 % interval, null without a threshold or test labels. None where calibration.json has no thresholds.

    probabilities (images, classes) after the temperature, true (images,) class indices. What calibrate calls `low`, the
    bound it guarantees, is `guaranteed` here.
    """
    if promised is None:
        return None
    precision, conformal = promised["precision"], promised["conformal"]
    return {
        "precision": {
            **{key: value for key, value in precision.items() if key != "low"},
            "guaranteed": precision["low"],
            **_precision(precision["threshold"], probabilities, true),
        },
        "conformal": {**conformal, **_coverage(conformal["quantile"], probabilities, true)},
    }


def _precision(threshold: float | None, probabilities: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    if threshold is None or not len(true):
        return dict.fromkeys(("precision_test", "low", "high", "abstained_test"))
    answered = ~m.abstains(probabilities, threshold)
    right = (probabilities.argmax(axis=1) == true)[answered]
    low, high = m.wilson_interval(int(right.sum()), len(right))
    share = float(right.mean()) if len(right) else None
    return {"precision_test": share, "low": low, "high": high, "abstained_test": float(np.mean(~answered))}


def _coverage(quantile: float | None, probabilities: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    if quantile is None or not len(true):
        return dict.fromkeys(("coverage_test", "low", "high", "mean_size"))
    sets = m.conformal_sets(probabilities, quantile)
    held = sets[np.arange(len(true)), true]
    low, high = m.wilson_interval(int(held.sum()), len(true))
    mean_size = float(sets.sum(axis=1).mean())
    return {"coverage_test": float(held.mean()), "low": low, "high": high, "mean_size": mean_size}
