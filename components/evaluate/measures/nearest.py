"""How far each test image is from the training images: near-duplicates are easy, and what is far is new."""

import numpy as np

AFFORDABLE = 100_000_000_000  # multiplications, some seconds of two cores
BLOCK = 1024  # test images at a time


def nearest(x: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance of each of x (n, features) to the nearest of others (m, features), both of unit length: float32 (n,), 0
    to 2; NaN where there is no other.
    """
    if not len(others):
        return np.full(len(x), np.nan, np.float32)
    others = others.astype(np.float32)
    closest = np.empty(len(x), np.float32)
    for start in range(0, len(x), BLOCK):
        some = slice(start, start + BLOCK)
        closest[some] = (x[some].astype(np.float32) @ others.T).max(axis=1)
    return np.sqrt(np.clip(2 - 2 * closest, 0, 4))


def affordable(images: int, features: int) -> int:
    """How many others so many images can be compared with."""
    return AFFORDABLE // max(1, images * features)
