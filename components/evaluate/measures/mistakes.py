"""What the mistakes have in common: the pairs of classes most confused, and clusters of mistakes that look alike."""

from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

PAIRS = 20
CLUSTERS = 8
EACH = 8  # mistakes a cluster should have, about
FITTED = 5_000  # mistakes that k-means is fitted to, at most
SHOWN = 24  # images of a cluster that are named


def confused(names: list[str], matrix: np.ndarray, most: int = PAIRS) -> list[dict[str, Any]]:
    """The pairs of classes with the most mistakes. matrix: counts, rows are true classes, columns predicted ones."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*np.unravel_index(order, matrix.shape), strict=True)
    return [
        {"label": names[true], "predicted": names[said], "images": int(wrong[true, said])}
        for true, said in pairs
        if wrong[true, said]
    ]


def clusters(
    x: np.ndarray, ids: np.ndarray, labels: np.ndarray, predicted: np.ndarray, seed: int
) -> list[dict[str, Any]]:
    """Group mistakes by k-means on their embeddings, the largest group first.

    x: (mistakes, features); ids, labels, predicted: (mistakes,). Of each group the most frequent label and answer, and
    the images nearest to its centre.
    """
    n = len(x)
    wanted = min(CLUSTERS, max(1, round(n / EACH)), len(np.unique(x, axis=0)) if n else 0)
    if not wanted:
        return []
    x = x.astype(np.float64)
    fitted = x if n <= FITTED else x[np.random.default_rng(seed).choice(n, FITTED, replace=False)]
    with threadpool_limits(1):
        model = KMeans(wanted, n_init=4, random_state=seed).fit(fitted)
        of, distance = model.predict(x), model.transform(x)
    groups = [np.flatnonzero(of == each) for each in range(wanted)]
    groups = sorted(filter(len, groups), key=lambda group: (-len(group), int(group[0])))
    found = []
    for number, group in enumerate(groups, start=1):
        near = group[np.argsort(distance[group, of[group]], kind="stable")]
        found.append(
            {
                "number": number,
                "images": len(group),
                "share": len(group) / n,
                "label_most": _most(labels[group]),
                "predicted_most": _most(predicted[group]),
                "ids": ids[near[:SHOWN]].tolist(),
            }
        )
    return found


def _most(names: np.ndarray) -> str:
    """The most frequent name, of several the first by name."""
    found, counts = np.unique(names.astype(str), return_counts=True)
    return str(found[counts.argmax()])
