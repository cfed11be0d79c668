"""TCM: typical images first, then those between two classes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from components.sample.strategies.margin import margin
from components.sample.strategies.pool import Chosen, Pool
from components.sample.strategies.typiclust import typiclust

TYPICAL = 5  # labels per class up to which picks are typical ones


def tcm(
    pool: Pool,
    budget: int,
    neighbours: int,
    probabilities: np.ndarray | None,
    classes: Sequence[str],
    labels: int | None = None,
) -> Chosen:
    """TypiClust, then Margin (Doucet et al. 2024): one switch from one to the other.

    Picks are typical ones until there are TYPICAL labels per class, those that are there already and those of this
    round counted; then the margin of a classifier decides, so that one round may have both. neighbours: k of
    typicality; probabilities: as of `margin`, or None where there is no classifier yet: then all picks are typical
    ones; labels: how many there are, where they are more than the pool's.
    """
    known = len(pool.labelled) if labels is None else labels
    few = budget if probabilities is None else max(0, min(budget, TYPICAL * len(classes) - known))
    typical = typiclust(pool, few, neighbours)
    if probabilities is None or few == budget:
        return typical
    free = pool.free.copy()
    free[typical.positions] = False
    unsure = margin(replace(pool, free=free), budget - few, probabilities, classes)
    return Chosen(np.concatenate([typical.positions, unsure.positions]), typical.reasons + unsure.reasons)
