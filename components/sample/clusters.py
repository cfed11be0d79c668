"""Cluster the training pool, so that people label like images at a stroke and see the shape of their data."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from components.common.artifacts import CLUSTERS, Dataset
from components.sample.strategies.clusters import clustered
from components.sample.strategies.distances import spans, squares, workers
from components.sample.strategies.pool import BLOCK, Pool

MOST = 400  # clusters, which people may still look through


class Clusters(NamedTuple):
    """Of each image of a pool: its cluster, int64 (n,), and the distance to its centre, float32 (n,); and the centres,
    (clusters, features).
    """

    of: np.ndarray
    distance: np.ndarray
    centres: np.ndarray


def clusters_of(pool: Pool, classes: int) -> Clusters:
    """k-means with twice as many clusters as classes, or more: the square root of half the images, at most MOST."""
    wanted = max(2 * classes, round((len(pool) / 2) ** 0.5), 1)
    of, centres = clustered(pool, min(wanted, max(MOST, 2 * classes), len(pool)))
    distance = np.empty(len(pool), np.float32)

    def measure(span: slice) -> None:
        distance[span] = np.sqrt(squares(pool.take(span) - centres[of[span]].astype(np.float32)))

    with workers(pool.threads) as each:
        list(each(measure, spans(len(pool), BLOCK)))
    return Clusters(of, distance, centres)


def clusters_table(dataset: Dataset, pool: Pool, clusters: Clusters) -> pa.Table:
    """As CLUSTERS says."""
    ids = dataset.index.column("id").take(pa.array(pool.rows))
    return pa.table({"id": ids, "cluster": clusters.of, "distance": clusters.distance}).cast(CLUSTERS)
