"""BALD: images about which classifiers that all fit the labels disagree, each of them sure."""

import numpy as np

from components.sample.strategies.order import highest
from components.sample.strategies.pool import Chosen, Pool


def bald(pool: Pool, budget: int, information: np.ndarray) -> Chosen:
    """The highest mutual information between label and classifier (Houlsby et al. 2011; Gal et al. 2017).

    information: (n,), nats, as `probe.information` finds it by MC-dropout.
    """
    picks = highest(pool, information, budget)
    return Chosen(
        picks, [f"the classifier contradicts itself (mutual information {information[i]:.2f})" for i in picks]
    )
