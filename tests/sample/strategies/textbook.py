"""The strategies as their papers state them, on a dense float64 matrix of distances, as slow as they come."""

from heapq import heappop, heappush

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits


def distances(x: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, (n, features) to (n, n)."""
    x = x.astype(np.float64)
    squares = (x**2).sum(axis=1)
    return np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0)


def dense_typiclust(
    embeddings: np.ndarray, budget: int, labelled: np.ndarray, neighbours: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """TypiClust (Hacohen et al. 2022, algorithm 1), all in float64: rows, the size of each one's cluster and its
    typicality.
    """
    x = np.asarray(embeddings, dtype=np.float64)
    budget = min(budget, len(x) - len(labelled))
    with threadpool_limits(1):
        clusters = min(budget + len(labelled), len(np.unique(x, axis=0)))
        cluster = KMeans(clusters, n_init=4, random_state=seed).fit(x).predict(x)
    sizes = np.bincount(cluster)
    covered = np.bincount(cluster[labelled], minlength=len(sizes))
    free = np.ones(len(x), bool)
    free[labelled] = False
    score = np.empty(len(x))
    waiting: list[tuple[int, int, int, list[int]]] = []
    groups = np.split(np.argsort(cluster, kind="stable"), np.cumsum(sizes)[:-1])
    for count, members in zip(covered.tolist(), groups, strict=True):
        score[members] = dense_typicality(x[members], neighbours)
        line = members[free[members]]
        if len(line):
            best_last = line[np.argsort(-score[line], kind="stable")][::-1].tolist()
            heappush(waiting, (count, -len(members), int(members[0]), best_last))
    rows: list[int] = []
    while len(rows) < budget:
        count, size, first, queue = heappop(waiting)
        rows.append(queue.pop())
        if queue:
            heappush(waiting, (count + 1, size, first, queue))
    return np.array(rows, np.int64), sizes[cluster[rows]], score[rows]


def dense_typicality(x: np.ndarray, neighbours: int) -> np.ndarray:
    """Inverse mean distance to the k nearest others (ibid., eq. 1), with k half of them all or `neighbours` where that
    is more; (n, features) to (n,).
    """
    if len(x) == 1:
        return np.ones(1)
    k = min(max(neighbours, len(x) // 2), len(x) - 1)
    result = np.empty(len(x))
    squares = (x**2).sum(axis=1)
    for start in range(0, len(x), 1024):
        block = x[start : start + 1024]
        squared = np.maximum(squares[start : start + 1024, None] + squares[None] - 2 * block @ x.T, 0)
        squared[squared < 1e-12] = 0
        nearest = np.partition(squared, k, axis=1)[:, : k + 1]
        result[start : start + 1024] = np.sqrt(nearest).sum(axis=1) / k
    return 1 / np.maximum(np.round(result, 9), 1e-9)


def dense_kcenter(x: np.ndarray, budget: int, labelled: list[int], free: np.ndarray) -> list[int]:
    """k-center greedy (Sener and Savarese 2018, algorithm 1) on the whole matrix of distances; the image nearest to the
    mean comes first where nothing is chosen.
    """
    squared = distances(x)
    left = free.copy()
    nearest = squared[:, labelled].min(axis=1, initial=np.inf)
    picks: list[int] = []
    while len(picks) < min(budget, free.sum()):
        if not picks and not len(labelled):
            mean = x.mean(axis=0, dtype=np.float64)
            picks.append(int(np.where(left, ((x - mean) ** 2).sum(axis=1).round(12), np.inf).argmin()))
        else:
            picks.append(int(np.where(left, nearest, -np.inf).argmax()))
        left[picks[-1]] = False
        nearest = np.minimum(nearest, squared[:, picks[-1]])
    return picks


def dense_maxherding(x: np.ndarray, budget: int, labelled: list[int], free: np.ndarray, sigma: float) -> list[int]:
    """MaxHerding (Bae et al. 2024): at each pick the gain in coverage of every image from the whole matrix."""
    kernel = np.exp(-distances(x) / sigma**2)
    covered = kernel[:, labelled].max(axis=1, initial=0)
    picks: list[int] = []
    while len(picks) < min(budget, free.sum()):
        gain = np.maximum(kernel - covered, 0).sum(axis=1)
        left = free.copy()
        left[picks] = False
        picks.append(int(np.where(left, gain.round(6), -np.inf).argmax()))
        covered = np.maximum(covered, kernel[picks[-1]])
    return picks


def dense_probcover(x: np.ndarray, budget: int, labelled: list[int], free: np.ndarray, delta: float) -> list[int]:
    """ProbCover (Yehuda et al. 2022, algorithm 1) on the whole graph; coverage begins anew once nothing is left."""
    near = np.asarray(distances(x) <= delta**2)
    covered = np.asarray(near[:, labelled].any(axis=1))
    picks: list[int] = []
    while len(picks) < min(budget, free.sum()):
        left = free.copy()
        left[picks] = False
        out = np.where(left, (near & ~covered[:, None]).sum(axis=0), -1)
        if out.max() == 0:
            covered[:] = False
            continue
        picks.append(int(out.argmax()))
        covered |= near[:, picks[-1]]
    return picks
