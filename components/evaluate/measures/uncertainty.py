"""What the members of an ensemble think together, and how much they differ: pure functions of probabilities."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from components.common.metrics import entropy


class Opinion(NamedTuple):
    """Of each image, float64."""

    probabilities: np.ndarray  # mean over the members, (images, classes)
    entropy: np.ndarray  # of that mean, in nats (images,)
    information: np.ndarray  # mutual information of the answer and the member, in nats (images,)


def opinion(members: Iterable[np.ndarray]) -> Opinion:
    """The mean of the members' probabilities, each (images, classes), taken one after the other.

    `entropy` is all the uncertainty there is; `information`, that entropy minus the mean entropy of the members, is the
    part on which they differ, and which a label would settle: BALD (Houlsby et al. 2011). It is 0 where all members say
    the same, and log(members) at most.
    """
    count, total, inner = 0, np.zeros(()), np.zeros(())
    for member in members:
        count += 1
        total = total + np.asarray(member, np.float64)
        inner = inner + entropy(member)
    if not count:
        raise ValueError("an opinion of nobody")
    mean = total / count
    whole = entropy(mean)
    return Opinion(mean, whole, np.maximum(0.0, whole - inner / count))


def thinned(features: int, rate: float, passes: int, rng: np.random.Generator) -> np.ndarray:
    """Masks of MC-dropout (Gal and Ghahramani 2016) for as many passes, float32 (passes, features): 0 with probability
    `rate`, else 1 / (1 - rate), so that the mean is 1. Each pass is one thinned network, the same for every image.
    """
    kept = rng.random((passes, features)) >= rate
    return (kept / (1 - rate)).astype(np.float32)
