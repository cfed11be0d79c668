"""Entropy: images whose class the classifier knows least."""

from collections.abc import Sequence

import numpy as np

from components.sample.strategies.order import highest, score
from components.sample.strategies.pool import Chosen, Pool
from components.sample.strategies.probe import nats


def entropy(pool: Pool, budget: int, probabilities: np.ndarray, classes: Sequence[str]) -> Chosen:
    """The highest entropies of the predicted classes (Shannon 1948; Settles 2009, section 3.1).

    probabilities: (n, classes) of a classifier; classes: their names, for the reasons.
    """
    found = score(probabilities, nats)
    picks = highest(pool, found, budget)
    return Chosen(
        picks,
        [
            f"could be {', '.join(classes[c] for c in np.argsort(-probabilities[pick], kind='stable')[:3])} "
            f"(entropy {found[pick]:.2f} of {np.log(len(classes)):.2f})"
            for pick in picks
        ],
    )
