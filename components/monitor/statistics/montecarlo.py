"""p of a test by drawing from its null distribution, in as few draws as the level of the test leaves in doubt."""

import math
from collections.abc import Callable

import numpy as np

STOP = 10  # draws as extreme as what was observed, after which the p can no longer be small
SURE = 4  # such draws that a p at the level still allows: of fewer, chance decides too often
FIRST, BLOCK = 32, 512  # draws at a time, doubled from the first


def sequential_p(observed: float, draw: Callable[[int], np.ndarray], level: float) -> tuple[float, int]:
    """p that exceeds `level` unless the observed statistic is extreme, and the number of draws it took.

    observed: the statistic, larger is more extreme; draw(k): k independent ones under the null hypothesis, (k,), such
    that the observed one is exchangeable with them. With b draws at least as large as the observed one, of B =
    4 / level - 1 in all, p = (b + 1) / (B + 1); but at the tenth such draw, the l-th of all, it stops with p = 10 / l
    (Besag and Clifford 1991). Under the null hypothesis P(p <= a) <= a for each a, with either ending.
    """
    most = math.ceil(SURE / level) - 1
    as_large = drawn = 0
    block = FIRST
    while drawn < most:
        larger = draw(min(block, most - drawn)) >= observed
        if as_large + int(larger.sum()) >= STOP:
            drawn += int(np.flatnonzero(larger)[STOP - as_large - 1]) + 1
            return STOP / drawn, drawn
        as_large += int(larger.sum())
        drawn += len(larger)
        block = min(2 * block, BLOCK)
    return (as_large + 1) / (most + 1), most
