"""Pick the image farthest from every image that has been chosen."""

import numpy as np

from components.sample.strategies.distances import Map, spans, squared, squares, workers
from components.sample.strategies.pool import BLOCK, Chosen, Pool

SHORTLIST = (4096, 32_768)  # the farthest images that are held at a time, least and most: 128 MiB of 512 features
CENTRES = 512  # that a block is compared with at a time


def kcenter(pool: Pool, budget: int) -> Chosen:
    """k-center greedy (Sener and Savarese 2018, algorithm 1): each pick is the free image whose nearest labelled or
    picked image is farthest; where nothing is labelled, the image nearest to the mean of the pool comes first.

    Exact, and yet no pass over the pool for each pick: distances to the nearest chosen image only fall, so that the
    farthest of a shortlist is the farthest of all while it is no nearer than the first image that was left off.
    """
    free = np.flatnonzero(pool.free)
    budget = min(budget, len(free))
    if budget <= 0:
        return Chosen(np.empty(0, np.int64), [])
    nearest = np.full(len(free), np.inf)  # squared, to the nearest chosen image; -1 for a pick
    picks: list[int] = []  # of `free`
    reasons: list[str] = []
    chosen = pool.labelled
    with workers(pool.threads) as each:
        if not len(chosen):
            picks, reasons = [_central(pool, free, each)], ["nearest to the mean of all images"]
            chosen = free[picks]
        while len(picks) < budget:
            _approach(pool, free, nearest, chosen, each)
            nearest[picks] = -1
            farthest, distances = _farthest(pool, free, nearest, budget - len(picks))
            picks += farthest
            reasons += [f"far from every labelled image (distance {np.sqrt(square):.2f})" for square in distances]
            chosen = free[farthest]
    return Chosen(free[picks], reasons)


def _farthest(pool: Pool, free: np.ndarray, nearest: np.ndarray, budget: int) -> tuple[list[int], list[float]]:
    """The next picks (of `free`) that a shortlist decides, at least one, and the squared distance of each."""
    least, most = SHORTLIST
    size = min(max(least, len(free) // 32), most)
    order = np.argsort(-nearest, kind="stable")[: size + 1]
    line, bar = np.sort(order[:size]), order[size:]
    vectors = pool.take(free[line], np.float64)
    lengths = squares(vectors)
    left = nearest[line]
    picks: list[int] = []
    distances: list[float] = []
    while len(picks) < budget:
        best = int(left.argmax())
        first = (-left[best], line[best])
        if len(bar) and first > (-nearest[bar[0]], bar[0]):
            break
        picks.append(int(line[best]))
        distances.append(float(left[best]))
        np.minimum(left, squared(vectors, vectors[best : best + 1], lengths)[:, 0], out=left)
        left[best] = -1
    return picks, distances


def _approach(pool: Pool, free: np.ndarray, nearest: np.ndarray, chosen: np.ndarray, each: Map) -> None:
    """Lower `nearest` (of `free`) to the distance to the nearest of these positions."""

    def lower(span: slice) -> None:
        x = pool.take(free[span], np.float64)
        lengths = squares(x)
        for part in spans(len(chosen), CENTRES):
            near = squared(x, pool.take(chosen[part], np.float64), lengths).min(axis=1)
            np.minimum(nearest[span], near, out=nearest[span])

    list(each(lower, spans(len(free), BLOCK)))


def _central(pool: Pool, free: np.ndarray, each: Map) -> int:
    """Which of `free` is nearest to the mean of the pool."""
    mean = sum(each(lambda span: pool.take(span, np.float64).sum(axis=0), spans(len(pool), BLOCK))) / len(pool)
    away = each(lambda span: squares(pool.take(free[span], np.float64) - mean), spans(len(free), BLOCK))
    return int(np.concatenate(list(away)).round(12).argmin())
