"""Pick the image with most uncovered images around it."""

import numpy as np

from components.sample.strategies.clusters import centres_of
from components.sample.strategies.distances import spans, squared, squares, workers
from components.sample.strategies.pool import Chosen, Pool, drawn

LIMIT = 20_000  # images that are candidates, and images that coverage is measured on
ROWS, COLUMNS = 1024, 2048  # of a block of distances: 16 MiB
PURE = 0.95  # share of the balls that hold one pseudo-label only: alpha of the paper


def probcover(pool: Pool, budget: int, classes: int = 10, delta: float | None = None) -> Chosen:
    """ProbCover (Yehuda et al. 2022, algorithm 1): each pick is the free image that has most uncovered images within
    delta; all of these are covered then. Once none is left to cover, coverage begins anew, since the paper ends there.

    The rule for delta is the paper's, and often too strict (so Bae et al. 2024): on an encoder whose classes differ in
    density all picks fall into the densest; give delta, or take maxherding, which needs none.

    classes: how many, or how many are guessed, for the choice of delta where it is not given. Of a pool of more than
    20,000 images as many, drawn uniformly by the seed, are candidates, and coverage is measured on as many.
    """
    candidates = drawn(pool, np.flatnonzero(pool.free), max(LIMIT, budget), "candidates")
    budget = min(budget, len(candidates))
    if budget <= 0:
        return Chosen(np.empty(0, np.int64), [])
    y = pool.take(drawn(pool, np.arange(len(pool)), LIMIT, "measured"), np.float64)
    radius = pure_radius(y, classes, pool.seed, pool.threads) if delta is None else delta**2
    near = neighbours(y, pool.take(candidates, np.float64), radius, pool.threads)
    total = tally(near, len(candidates))
    open_rows = np.ones(len(y), bool)
    for span in spans(len(pool.labelled), ROWS):
        covers = neighbours(y, pool.take(pool.labelled[span], np.float64), radius, pool.threads)
        open_rows &= ~covers.any(axis=1)
    gain = tally(near[open_rows], len(candidates))
    left = np.ones(len(candidates), bool)
    picks: list[int] = []
    reasons: list[str] = []
    covered = "not covered yet"
    while len(picks) < budget:
        best = int(np.where(left, gain, -1).argmax())
        if gain[best] == 0 and total[left].any():
            gain = total.copy()
            open_rows[:] = True
            covered = "(all are covered already)"
            continue
        picks.append(best)
        left[best] = False
        images = "1 image" if gain[best] == 1 else f"{gain[best]} images"
        reasons.append(f"within {np.sqrt(radius):.2f} of {images} {covered}")
        covers = open_rows & ((near[:, best // 8] >> (7 - best % 8) & 1) > 0)
        open_rows &= ~covers
        gain -= tally(near[covers], len(candidates))
    return Chosen(candidates[picks], reasons)


def pure_radius(y: np.ndarray, classes: int, seed: int, threads: int) -> float:
    """The greatest squared delta at which at least 95 % of the balls around images (n, features) hold images of one
    pseudo-label only, those of k-means with as many clusters as classes (ibid., section 3.2).

    A ball is pure below the distance to the nearest image of another pseudo-label: a quantile of these is the answer.
    """
    centres = centres_of(y, classes, seed)
    cluster = np.empty(len(y), np.int64)
    other = np.full(len(y), np.inf)

    def assign(rows: slice) -> None:
        cluster[rows] = (squares(centres) / 2 - y[rows] @ centres.T).argmin(axis=1)

    def measure(rows: slice) -> None:
        for columns in spans(len(y), COLUMNS):
            distances = squared(y[rows], y[columns])
            distances[cluster[rows][:, None] == cluster[columns]] = np.inf
            np.minimum(other[rows], distances.min(axis=1), out=other[rows])

    with workers(threads) as each:
        list(each(assign, spans(len(y), ROWS)))
        list(each(measure, spans(len(y), ROWS)))
    impure = int((1 - PURE) * len(y) + 1e-9)
    found = float(np.sort(other)[impure])
    return float(np.nextafter(found, 0)) if np.isfinite(found) else 4.0  # one cluster: all that unit vectors can be


def neighbours(y: np.ndarray, x: np.ndarray, radius: float, threads: int) -> np.ndarray:
    """Which of x (k, features) are within the squared radius of each of y (n, features): bits, uint8 (n, k / 8)."""
    near = np.zeros((len(y), -(-len(x) // 8)), np.uint8)

    def measure(rows: slice) -> None:
        for columns in spans(len(x), COLUMNS):
            bits = np.packbits(squared(y[rows], x[columns]) <= radius, axis=1)
            near[rows, columns.start // 8 : columns.start // 8 + bits.shape[1]] = bits

    with workers(threads) as each:
        list(each(measure, spans(len(y), ROWS)))
    return near


def tally(near: np.ndarray, count: int) -> np.ndarray:
    """How many rows have each of the first `count` bits set: uint8 (n, count / 8) to int64 (count,)."""
    total = np.zeros(count, np.int64)
    for rows in spans(len(near), ROWS // 4):
        total += np.unpackbits(near[rows], axis=1, count=count).sum(axis=0, dtype=np.int64)
    return total
