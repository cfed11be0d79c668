"""Labels that look wrong, by confident learning (Northcutt, Jiang and Chuang 2021)."""

import numpy as np

ROUNDING = 1e-9  # the mean of equal probabilities may lie above them by so much


def suspects(probabilities: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of labels that look wrong, the surest first, and the classes suggested instead, both int64.

    probabilities: (n, classes), of a model that did not learn from these labels; given: class indices (n,). An image is
    confidently of a class where its probability reaches the mean probability of that class among the images labelled
    so; of several such classes the most probable counts. A label looks wrong where that class is another one: the
    entries off the diagonal of the confident joint. Ordered by how much more probable the suggested class is.
    """
    n, classes = probabilities.shape
    own = probabilities[np.arange(n), given]
    total, count = np.bincount(given, weights=own, minlength=classes), np.bincount(given, minlength=classes)
    threshold = np.divide(total, count, out=np.full(classes, np.inf), where=count > 0) - ROUNDING
    confident = np.where(probabilities >= threshold, probabilities, -np.inf)
    suggested = confident.argmax(axis=1)
    found = np.flatnonzero(confident[np.arange(n), given] < confident.max(axis=1))  # equally probable is no suspicion
    margin = probabilities[found, suggested[found]] - own[found]
    found = found[np.argsort(-margin, kind="stable")]
    return found, suggested[found]
