"""Whether pseudo-labels stayed sound: what the new model says of unlabelled images, against the labels and the warm-up
model.
"""

from typing import Any

import numpy as np

from components.common.metrics import softmax


def health(
    warm: np.ndarray, new: np.ndarray, taught: np.ndarray, threshold: float, classes: list[str]
) -> dict[str, Any] | None:
    """warm, new: logits (images, classes) of the same unlabelled images; taught: class indices of the training labels.

    `agreement`: the share of images of which both models say the same; `confident`: the share of which the new one is
    as sure as a pseudo-label has to be; `entropy`: of the shares of the classes that it predicts, 1 where all are as
    frequent and 0 where it always says the same; by class the share among the labels, the predictions and the confident
    ones. None without an image.
    """
    n = len(new)
    if not n:
        return None
    p = softmax(new)
    said = p.argmax(axis=1)
    confident = p.max(axis=1) >= threshold
    shares = [_shares(each, len(classes)) for each in (taught, said, said[confident])]
    predicted = shares[1][shares[1] > 0]
    return {
        "images": n,
        "agreement": float(np.mean(warm.argmax(axis=1) == said)),
        "confident": float(confident.mean()),
        "entropy": float(-np.sum(predicted * np.log(predicted)) / np.log(max(2, len(classes)))) + 0.0,
        "classes": [
            {"class": name, "labels": labels, "predicted": all_, "confident": sure}
            for name, labels, all_, sure in zip(classes, *(column.tolist() for column in shares), strict=True)
        ],
    }


def _shares(indices: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(indices, minlength=classes) / max(1, len(indices))
