"""Which images to label first: typical ones of every cluster."""

from heapq import heappop, heappush

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

FIT_AT_MOST = 50_000  # images k-means is fitted on; all are assigned to its centres


def typiclust(
    embeddings: np.ndarray, budget: int, labelled: np.ndarray, neighbours: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """TypiClust (Hacohen et al. 2022, algorithm 1): the most typical image of each of the largest uncovered clusters.

    embeddings: (n, features), unit length; labelled: rows that have a label already; neighbours: k of typicality.
    Returns rows (in the order of picking), the size of each one's cluster and its typicality. Ties go to the smaller
    row, so that rows sorted by content give the same picks anywhere. Picks at most the images that are not labelled.
    """
    x = np.asarray(embeddings, dtype=np.float64)
    budget = min(budget, len(x) - len(labelled))
    if budget <= 0:
        return (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    cluster = assign(x, min(budget + len(labelled), len(np.unique(x, axis=0))), seed)
    sizes = np.bincount(cluster)
    covered = np.bincount(cluster[labelled], minlength=len(sizes))
    free = np.ones(len(x), bool)
    free[labelled] = False
    score = np.empty(len(x))
    # labels, minus the size, first row, and the unlabelled rows, most typical last
    waiting: list[tuple[int, int, int, list[int]]] = []
    for count, members in zip(
        covered.tolist(), np.split(np.argsort(cluster, kind="stable"), np.cumsum(sizes)[:-1]), strict=True
    ):
        score[members] = typicality(x[members], neighbours)
        line = members[free[members]]
        if len(line):
            heappush(
                waiting,
                (count, -len(members), int(members[0]), line[np.argsort(-score[line], kind="stable")][::-1].tolist()),
            )
    rows: list[int] = []
    while len(rows) < budget:
        count, size, first, queue = heappop(waiting)
        rows.append(queue.pop())
        if queue:
            heappush(waiting, (count + 1, size, first, queue))
    return np.array(rows, np.int64), sizes[cluster[rows]], score[rows]


def assign(x: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """k-means cluster of each row; on one thread, since the order of parallel sums would show in the picks."""
    rng = np.random.default_rng(seed)
    fitted = x if len(x) <= FIT_AT_MOST else x[np.sort(rng.choice(len(x), FIT_AT_MOST, replace=False))]
    with threadpool_limits(1):
        means = KMeans(clusters, n_init=4, random_state=seed).fit(fitted)
        return means.predict(x)


def typicality(x: np.ndarray, neighbours: int) -> np.ndarray:
    """Inverse mean distance to the k nearest others (ibid., eq. 1), with k at most the others there are; (n, d) to
    (n,).
    """
    if len(x) == 1:
        return np.ones(1)
    k = min(neighbours, len(x) - 1)
    result = np.empty(len(x))
    squares = (x**2).sum(axis=1)
    for start in range(0, len(x), 1024):
        block = x[start : start + 1024]
        squared = np.maximum(squares[start : start + 1024, None] + squares[None] - 2 * block @ x.T, 0)
        squared[squared < 1e-12] = 0  # the distance of an image to its twin, or to itself, but for rounding
        nearest = np.partition(squared, k, axis=1)[:, : k + 1]
        result[start : start + 1024] = np.sqrt(nearest).sum(axis=1) / k
    return 1 / np.maximum(np.round(result, 9), 1e-9)
