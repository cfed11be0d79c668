"""Random generators that follow from a seed and a purpose."""

import numpy as np
import torch


def seeded(seed: int, purpose: str) -> tuple[np.random.Generator, torch.Generator]:
    """Two generators, NumPy's and torch's, that depend on the seed and on what they are for, and on nothing drawn
    elsewhere.
    """
    sequence = np.random.SeedSequence([seed, *purpose.encode()])
    numbers = torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
    return np.random.default_rng(sequence), numbers
