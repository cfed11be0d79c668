"""Whether two samples of embeddings come from one distribution: the kernel two-sample test."""

from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from components.monitor.statistics.montecarlo import sequential_p

BLOCK = 8  # rows that are permuted together, at most
LEAST = 25  # blocks of each sample, at least, where there are so many rows
BANDWIDTHS = (0.25, 1.0, 4.0)  # times the median distance
EQUAL = 1e-6  # what rounding may make of two equal statistics
MEDIAN_OF = 1000  # rows whose distances the bandwidth is the median of


class Mmd(NamedTuple):
    """What the test found."""

    squared: float  # of the kernel that shows most; unbiased but for that choice, so it may be below 0
    p: float
    permutations: int
    bandwidth: float  # of that kernel, in units of the embeddings


@threadpool_limits.wrap(limits=1)  # equal on any machine, and its many small products are faster so on a busy one
def mmd(reference: np.ndarray, observed: np.ndarray, level: float, seed: int, most: int = 2000) -> Mmd:
    """Squared maximum mean discrepancy and its permutation p (Gretton et al. 2012, eq. 3).

    reference: (n, f), observed: (m, f), two rows of each at least; of more than `most` rows, a random draw. `level`
    sets how many permutations there are; see `sequential_p`. Exact for any distribution and any number of rows, if the
    rows are independent.

    The kernels are exp(-|x - y|² / 2s²), for bandwidths s of BANDWIDTHS times the median distance of two rows of both
    samples together. The statistic is the largest discrepancy of a kernel over the norm of its centred matrix, which
    its spread under permutations is proportional to (after Biggs et al. 2023): small shifts of all images show in the
    wide kernel, what happens within a class in the narrow one.

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
    squares = _squared_distances(np.concatenate([x, y]).astype(np.float32))
    bandwidths = _median(squares, rng) * np.array(BANDWIDTHS)
    grams = [_blocks(_gram(squares, bandwidth), block) for bandwidth in bandwidths]
    labels = np.repeat(np.array([0, 1], np.float32), [len(x) // block, len(y) // block])

    def drawn(count: int) -> np.ndarray:
        shuffled = rng.permuted(np.broadcast_to(labels, (count, len(labels))), axis=1)
        return _scaled(grams, np.ascontiguousarray(shuffled.T), block).max(axis=0)

    found = _scaled(grams, labels[:, None], block)[:, 0]
    which = int(found.argmax())
    p, permutations = sequential_p(float(found[which]) - EQUAL, drawn, level)
    squared = float(_statistic(grams[which], labels[:, None], block)[0])
    return Mmd(squared, p, permutations, float(bandwidths[which]))


def _scaled(grams: list[np.ndarray], labels: np.ndarray, block: int) -> np.ndarray:
    """The statistic of each kernel over the norm of its matrix, so that they compare: (kernels, k)."""
    return np.stack(
        [len(labels) * block * _statistic(gram, labels, block) / (np.linalg.norm(gram) or 1.0) for gram in grams]
    )


def _statistic(gram: np.ndarray, labels: np.ndarray, block: int) -> np.ndarray:
    """Unbiased estimates of the squared discrepancy (k,) for k labellings.

    gram: (b, b), the kernel summed over the rows of two blocks, without pairs of a row with itself; labels: (b, k), 1
    for blocks of the second sample and 0 for those of the first, equally many ones in each column.
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


def _gram(squares: np.ndarray, bandwidth: float) -> np.ndarray:
    """Kernel of all pairs of rows, centred. squares: (N, N), their squared distances."""
    gram = squares * np.float32(-0.5 / bandwidth**2)
    return _centred(np.exp(gram, out=gram))


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


def _median(squares: np.ndarray, rng: np.random.Generator) -> float:
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
