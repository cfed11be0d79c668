"""The shape of a pool before any label: whether images that lie together are in one cluster."""

from typing import Any, NamedTuple

import numpy as np

from components.common.seeding import seeded
from components.sample.strategies.distances import spans, workers
from components.sample.strategies.pool import BLOCK, Pool

K = 10  # neighbours that are asked
ASKED = 2000  # images that are asked, at most
AMONG = 50_000  # images that their neighbours are looked for among, at most


class Neighbours(NamedTuple):
    """Of images that were asked, drawn at random: their cluster, int64 (m,), and the share of their nearest neighbours
    that lie in it too, float64 (m,).
    """

    k: int
    cluster: np.ndarray
    share: np.ndarray
    chance: float  # the share where neighbours had nothing to do with clusters

    def about(self) -> dict[str, Any]:
        """In figures and in a sentence, for labels.json and the report; empty where no image has a neighbour."""
        if not len(self.share):
            return {}
        share, whole = float(self.share.mean()), float(np.mean(self.share == 1))
        said = (
            f"Of the {self.k} nearest neighbours of an image, {100 * share:.0f} % lie in its own cluster (by chance "
            f"{100 * self.chance:.0f} %); of {100 * whole:.0f} % of the images all do ({len(self.share):,} were asked)."
        )
        figures = {"share": share, "whole": whole, "chance": self.chance}
        rounded = {name: round(value, 4) for name, value in figures.items()}
        return {"k": self.k, "images": len(self.share), **rounded, "sentence": said}


def neighbours_of(pool: Pool, cluster: np.ndarray) -> Neighbours:
    """How consistent the clusters (n,) are among nearest neighbours, as SCAN relies on them (Van Gansbeke et al. 2020,
    section 2.1); of a large pool, for a sample and among a sample, drawn by its seed.
    """
    order = seeded(pool.seed, "neighbours")[0].permutation(len(pool))
    asked, among = np.sort(order[:ASKED]), np.sort(order[:AMONG])
    k = min(K, len(among) - 1)
    sizes = np.bincount(cluster, minlength=1)
    chance = float(np.sum(sizes * (sizes - 1.0)) / max(len(pool) * (len(pool) - 1.0), 1.0))
    if k < 1:
        return Neighbours(k, cluster[:0], np.empty(0), chance)
    x = pool.take(asked)

    def nearest(part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Of the images of a part the k most alike to each that is asked: likeness and positions, (asked, k),
        in no order."""
        likeness = x @ pool.take(among[part]).T
        likeness[asked[:, None] == among[part]] = -np.inf  # nobody is a neighbour of itself
        best = np.argpartition(-likeness, min(k, likeness.shape[1]) - 1, axis=1)[:, :k]
        return np.take_along_axis(likeness, best, axis=1), among[part][best]

    with workers(pool.threads) as each:
        found = list(each(nearest, spans(len(among), BLOCK // 2)))
    likeness, positions = (np.hstack(column) for column in zip(*found, strict=True))
    best = np.argsort(-likeness, axis=1, kind="stable")[:, :k]
    same = cluster[np.take_along_axis(positions, best, axis=1)] == cluster[asked][:, None]
    return Neighbours(k, cluster[asked], same.mean(axis=1), chance)
