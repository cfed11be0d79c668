"""Pick the most typical image of every cluster."""

import numpy as np

from components.common.seeding import seeded
from components.sample.strategies.clusters import clustered, line_up, members_of
from components.sample.strategies.distances import spans, squared, workers
from components.sample.strategies.pool import Chosen, Pool

MEASURED = 1024  # images of one cluster that distances are measured to


def typiclust(pool: Pool, budget: int, neighbours: int = 20) -> Chosen:
    """TypiClust (Hacohen et al. 2022, algorithm 1): the most typical image of each of the largest uncovered clusters.

    As many clusters as labels and picks together. neighbours: the least k of typicality. A cluster of more than 1,024
    images is measured against as many of it, drawn by the seed, so that the cost grows with the pool and not with its
    square.
    """
    if budget <= 0 or not pool.free.any():
        return Chosen(np.empty(0, np.int64), [])
    cluster, _ = clustered(pool, min(budget, int(pool.free.sum())) + len(pool.labelled))
    members = members_of(cluster)
    score = typicality(pool, members, neighbours)
    picks = line_up(pool, budget, members, score)
    sizes = np.bincount(cluster)[cluster[picks]]
    return Chosen(
        picks,
        [
            f"typical of a cluster of {size} (typicality {value:.2f})"
            for size, value in zip(sizes.tolist(), score[picks].tolist(), strict=True)
        ],
    )


def typicality(pool: Pool, members: list[np.ndarray], neighbours: int) -> np.ndarray:
    """Inverse mean distance of each image to the k nearest others of its cluster (ibid., eq. 1), float64 (n,); 1 for an
    image that is alone.

    k is half of the cluster, or `neighbours` where that is more, and at most the others there are. The paper has 20 in
    clusters of any size: in one of thousands these find a small dense spot, often of another class, and not its middle.
    """
    score = np.ones(len(pool))
    rng = seeded(pool.seed, "typicality")[0]
    parts = []
    for group in members:
        among = group if len(group) <= MEASURED else np.sort(rng.choice(group, MEASURED, replace=False))
        if len(group) > 1:
            parts += [(group[span], among) for span in spans(len(group), MEASURED)]

    def measure(part: tuple[np.ndarray, np.ndarray]) -> None:
        some, among = part
        distances = squared(pool.take(some, np.float64), pool.take(among, np.float64))
        distances[some[:, None] == among] = np.inf  # an image is no neighbour of its own
        k = min(max(neighbours, len(among) // 2), len(among) - 1)
        nearest = np.sort(np.partition(distances, k - 1, axis=1)[:, :k], axis=1)
        score[some] = 1 / np.maximum(np.round(np.sqrt(nearest).sum(axis=1) / k, 9), 1e-9)

    with workers(pool.threads) as each:
        list(each(measure, parts))
    return score
