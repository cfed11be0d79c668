"""What a classifier may say of a small pool."""

import numpy as np

from components.common.metrics import softmax
from components.sample.strategies.pool import Pool

NAMES = ("cat", "dog", "owl", "pig", "rat", "yak")


def simplex(n: int, classes: int, seed: int) -> np.ndarray:
    """Random probabilities, float32 (n, classes)."""
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), n).astype(np.float32)


def said(pool: Pool, classes: int = 4) -> np.ndarray:
    """Probabilities that follow from the embeddings, an image at a time, float32 (n, classes)."""
    weights = 4 * np.random.default_rng(8).normal(size=(pool.vectors.shape[1], classes))
    rows = [softmax(image[None].astype(np.float64) @ weights)[0] for image in pool.vectors[pool.rows]]
    return np.array(rows, np.float32).reshape(len(pool), classes)
