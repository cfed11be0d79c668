"""Which images are new: nearest to nothing that the reference holds."""

from collections.abc import Iterator

import numpy as np

BLOCK = 1024  # images at a time


def novelty(reference: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Cosine distance of each observed embedding to the nearest reference one: float32 (m,), 0 to 2.

    reference: (n, f), n > 0, observed: (m, f), of any length; a row of zeros is at distance 1 of all.
    """
    known = _unit(reference)
    return np.concatenate([np.empty(0, np.float32), *(1 - (some @ known.T).max(axis=1) for some in _blocks(observed))])


def usual(reference: np.ndarray, quantile: float) -> float:
    """Quantile of the distance of each reference image to the nearest other: what is not new stays below it with that
    chance. reference: (n, f), n > 1.
    """
    known = _unit(reference)
    nearest = []
    for start in range(0, len(known), BLOCK):
        cosines = known[start : start + BLOCK] @ known.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -np.inf
        nearest.append(1 - cosines.max(axis=1))
    return float(np.quantile(np.concatenate(nearest), quantile))


def spread(embeddings: np.ndarray, distances: np.ndarray, above: float, count: int) -> np.ndarray:
    """Positions of up to `count` images that are new and unlike one another, in the order they were picked.

    embeddings: (m, f); distances: (m,), to the nearest reference image; only those above `above` are picked. Each pick
    is the image whose nearest known one is farthest, a reference image or an earlier pick (k-center greedy: Sener and
    Savarese 2018, algorithm 1): the first is the most novel one, and of many copies one is picked.
    """
    new = np.flatnonzero(distances > above)
    x, nearest = _unit(embeddings[new]), np.array(distances[new], np.float64)
    picked: list[int] = []
    for _ in range(min(count, len(new))):
        pick = int(nearest.argmax())
        picked.append(pick)
        nearest = np.minimum(nearest, 1 - x @ x[pick])
        nearest[pick] = -np.inf
    return new[picked]


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (_unit(rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK))


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
