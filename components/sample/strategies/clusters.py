"""k-means over a pool, and the order in which its clusters are asked about."""

from heapq import heapify, heappop, heappush

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus
from threadpoolctl import threadpool_limits

from components.sample.strategies.distances import spans, squares, workers
from components.sample.strategies.pool import BLOCK, Pool

FIT_AT_MOST = 50_000  # images that k-means is fitted on; all are assigned to its centres
CAREFUL = 10_000  # up to here it is fitted in float64 from four starts, above in float32 from as many as are affordable
STARTS = 4  # ten found no better clusters of MNIST
AFFORDABLE = (
    120_000_000_000  # multiplications above CAREFUL, some ten seconds: four starts of 50,000 x 512 to 10 clusters
)
STEPS, FULL_STEPS = 20, 100  # of Lloyd's algorithm at most, above CAREFUL: from one start, and from several


def clustered(pool: Pool, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Cluster the pool by k-means (Lloyd 1982, started by k-means++, Arthur and Vassilvitskii 2007), fitted on at most
    50,000 images drawn from it by its seed.

    Returns each image's cluster, int64 (n,), and the centres (k, features); k is smaller than `clusters` where there
    are fewer different vectors.
    """
    fitted = np.arange(len(pool))
    if len(pool) > FIT_AT_MOST:
        fitted = np.sort(np.random.default_rng(pool.seed).choice(len(pool), FIT_AT_MOST, replace=False))
    careful = len(fitted) <= CAREFUL
    centres = centres_of(pool.take(fitted, np.float64 if careful else np.float32), clusters, pool.seed)
    half = squares(centres) / 2
    cluster = np.empty(len(pool), np.int64)

    def assign(span: slice) -> None:
        cluster[span] = (half - pool.take(span, centres.dtype) @ centres.T).argmin(axis=1)

    with workers(pool.threads) as each:
        list(each(assign, spans(len(pool), BLOCK)))
    return cluster, centres


def centres_of(x: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Centres of k-means, (k, features) for (n, features), the best of up to four starts: one alone often ends in
    clusters that join two classes. On one thread, since the order of parallel sums would show in the picks.
    """
    clusters = min(clusters, different(x, clusters))
    starts = min(STARTS, AFFORDABLE // (x.size * clusters * FULL_STEPS))
    with threadpool_limits(1):
        if len(x) <= CAREFUL:
            return KMeans(clusters, n_init=STARTS, random_state=seed).fit(x).cluster_centers_
        if starts > 1:
            return KMeans(clusters, n_init=starts, max_iter=FULL_STEPS, random_state=seed).fit(x).cluster_centers_
        # k-means++ looks at every image for every centre: for many of both a sample starts as well
        seen = x[np.random.default_rng(seed).choice(len(x), max(CAREFUL, min(4 * clusters, len(x))), replace=False)]
        if different(seen, clusters) < clusters:
            seen = x
        start, _ = kmeans_plusplus(seen, clusters, n_local_trials=1, random_state=seed)
        return KMeans(clusters, init=start, n_init=1, max_iter=STEPS).fit(x).cluster_centers_


def different(x: np.ndarray, enough: int) -> int:
    """How many different rows there are, counted up to `enough`."""
    seen: set[bytes] = set()
    for row in x:
        seen.add((row + 0.0).tobytes())  # no negative zeros, which are equal but of other bytes
        if len(seen) >= enough:
            break
    return len(seen)


def members_of(cluster: np.ndarray) -> list[np.ndarray]:
    """Positions of each cluster, ascending."""
    return np.split(np.argsort(cluster, kind="stable"), np.cumsum(np.bincount(cluster))[:-1])


def line_up(pool: Pool, budget: int, members: list[np.ndarray], score: np.ndarray) -> np.ndarray:
    """Positions to pick, in order: of the clusters with the fewest labels the largest, of its free images that with the
    highest score (n,). A pick counts as a label. Ties go to the cluster that begins first, and to the smaller position.
    """
    labelled = np.zeros(len(pool), np.int64)
    labelled[pool.labelled] = 1
    queues = []  # labels, minus the size, first position, and the free positions, the best last
    for group in members:
        line = group[pool.free[group]]
        if len(line):
            best = line[np.argsort(-score[line], kind="stable")][:budget]
            queues.append((int(labelled[group].sum()), -len(group), int(group[0]), best[::-1].tolist()))
    heapify(queues)
    picks: list[int] = []
    while queues and len(picks) < budget:
        count, size, first, line = heappop(queues)
        picks.append(line.pop())
        if line:
            heappush(queues, (count + 1, size, first, line))
    return np.array(picks, np.int64)
