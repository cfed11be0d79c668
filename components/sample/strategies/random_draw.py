"""Pick at random, as every other strategy is measured against."""

import numpy as np

from components.common.seeding import seeded
from components.sample.strategies.pool import Chosen, Pool


def random_picks(pool: Pool, budget: int) -> Chosen:
    """A uniform draw of the free images, by the pool's seed; a larger budget only adds to a smaller one."""
    order = seeded(pool.seed, "random picks")[0].permutation(np.flatnonzero(pool.free))
    picks = order[: max(budget, 0)]
    return Chosen(picks, ["random draw"] * len(picks))
