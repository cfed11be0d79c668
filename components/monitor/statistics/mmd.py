"""Whether two samples of embeddings come from one distribution: the kernel two-sample test."""

from typing import NamedTuple

import numpy as np

from components.monitor.statistics.montecarlo import sequential_p

BLOCK = 8  # rows that are permuted together, at most
LEAST = 25  # blocks of each sample, at least, where there are so many rows
MEDIAN_OF = 1000  # rows whose distances the bandwidth is the median of


class Mmd(NamedTuple):
    """What the test found."""

    squared: float  # unbiased, so below 0 half the time where nothing differs
    p: float
    permutations: int
    bandwidth: float  # of the kernel, in units of the embeddings


def mmd(reference: np.ndarray, observed: np.ndarray, level: float, seed: int, most: int = 2000) -> Mmd:
    """Squared maximum mean discrepancy and its permutation p (Gretton et al. 2012, eq. 3 and section 5).

    reference: (n, f), observed: (m, f), two rows of each at least; of more than `most` rows, a random draw. The kernel
    is exp(-|x - y|² / 2s²), where the bandwidth s is the median distance of two rows of both samples together. `level`
    sets how many permutations there are; see `sequential_p`. Exact for any distribution and any number of rows, if the
    rows are independent.

    Blocks of rows are permuted: random ones of up to BLOCK rows of one sample, the same number in each. These are a
    group of permutations, and a random draw from any such group is as exact as from all (Hemerik and Goeman 2018,
    theorem 2), while a permutation costs the square of the number of blocks, not of rows.
    """
    rng = np.random.default_rng(seed)
    if min(len(reference), len(observed)) < 2:
        raise ValueError(f"{len(reference)} and {len(observed)} rows; two of each are the least that have a distance")
    n, m = (min(len(rows), most) for rows in (reference, observed))
    block = max(1, min(BLOCK, min(n, m) // LEAST))
    x, y = (
        rng.choice(rows, wanted // block * block, replace=False) for rows, wanted in ((reference, n), (observed, m))
    )
    pooled = np.concatenate([x, y]).astype(np.float32)
    squares = _squared_distances(pooled)
    bandwidth = _bandwidth(squares, rng)
    gram = _blocks(_centred(np.exp(np.multiply(squares, -0.5 / bandwidth**2, out=squares), out=squares)), block)
    labels = np.repeat(np.array([0, 1], np.float32), [len(x) // block, len(y) // block])
    squared = float(_statistic(gram, labels[:, None], block)[0])
    equal = 1e-6 * float(np.abs(gram).max())  # what rounding may make of two equal statistics

    def draw(count: int) -> np.ndarray:
        shuffled = rng.permuted(np.broadcast_to(labels, (count, len(labels))), axis=1)
        return _statistic(gram, np.ascontiguousarray(shuffled.T), block)

    p, permutations = sequential_p(squared - equal, draw, level)
    return Mmd(squared, p, permutations, bandwidth)


def _statistic(gram: np.ndarray, labels: np.ndarray, block: int) -> np.ndarray:
    """Unbiased estimates of the squared discrepancy (k,) for k labellings. gram: (b, b), sums over the rows of blocks,
    without those of a row with itself; labels: (b, k), 1 for blocks of the second sample and 0 for those of the first,
    equally many ones in each column.
    """
    rows = gram.sum(axis=1, dtype=np.float64)
    m = labels[:, 0].sum(dtype=np.float64) * block
    n = len(labels) * block - m
    within = np.einsum("ij,ij->j", labels, gram @ labels, dtype=np.float64)  # sums over pairs of the second sample
    across = rows @ labels - within
    others = rows.sum() - within - 2 * across
    return within / (m * (m - 1)) + others / (n * (n - 1)) - 2 * across / (n * m)


def _blocks(gram: np.ndarray, block: int) -> np.ndarray:
    """Sums over blocks of that many rows and columns: (N / block, N / block)."""
    count = len(gram) // block
    return gram.reshape(count, block, count, block).sum(axis=(1, 3))


def _centred(gram: np.ndarray) -> np.ndarray:
    """Take f(x) + f(y) off the kernel, in place, so that its rows sum to 0, and then its diagonal. The statistic stays
    the same, as those terms cancel in it; but its sums become small, and float32 holds them to more digits.
    """
    means = gram.mean(axis=1, dtype=np.float64)
    shift = (means - means.mean() / 2).astype(np.float32)
    gram -= shift[:, None]
    gram -= shift
    np.fill_diagonal(gram, 0)
    return gram


def _bandwidth(squares: np.ndarray, rng: np.random.Generator) -> float:
    """Median distance; where most rows are equal, the root of the mean squared one; 1 where all are."""
    if len(squares) > MEDIAN_OF:
        some = rng.choice(len(squares), MEDIAN_OF, replace=False)
        squares = squares[np.ix_(some, some)]
    pairs = squares[np.triu_indices(len(squares), 1)]
    return float(np.sqrt(np.median(pairs) or pairs.mean() or 1.0))


def _squared_distances(x: np.ndarray) -> np.ndarray:
    """(N, N) float32, of all pairs of rows."""
    x = x - x.mean(axis=0)
    squares = np.einsum("ij,ij->i", x, x)
    distances = x @ (-2 * x.T)
    distances += squares[:, None]
    distances += squares
    np.fill_diagonal(distances, 0)
    return np.maximum(distances, 0, out=distances)
