"""Pick the image nearest to the centre of every cluster."""

import numpy as np

from components.sample.strategies.clusters import clustered, line_up, members_of
from components.sample.strategies.distances import spans, squares, workers
from components.sample.strategies.pool import BLOCK, Chosen, Pool


def kmeans(pool: Pool, budget: int) -> Chosen:
    """k-means (as Xu et al. 2003 pick representative documents): the image nearest to each centre, in the clusters that
    no label covers first, the largest first.

    As many clusters as labels and picks together.
    """
    if budget <= 0 or not pool.free.any():
        return Chosen(np.empty(0, np.int64), [])
    cluster, centres = clustered(pool, min(budget, int(pool.free.sum())) + len(pool.labelled))
    distance = np.empty(len(pool))

    def measure(span: slice) -> None:
        distance[span] = np.sqrt(squares(pool.take(span, np.float64) - centres[cluster[span]]))

    with workers(pool.threads) as each:
        list(each(measure, spans(len(pool), BLOCK // 2)))
    picks = line_up(pool, budget, members_of(cluster), -np.round(distance, 9))
    sizes = np.bincount(cluster)[cluster[picks]]
    return Chosen(
        picks,
        [
            f"nearest to the centre of a cluster of {size} (distance {value:.2f})"
            for size, value in zip(sizes.tolist(), distance[picks].tolist(), strict=True)
        ],
    )
