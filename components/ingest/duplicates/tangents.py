"""Test whether the waves of one thumbnail fit a window of another: tangent distance (Simard et al. 1993).

A picture may be a copy of another with up to a twentieth cut off at each edge. To first order its coarse cosine waves
then lie in the space that is spanned by those of the other's middle window and by what moving an edge adds to them.
How much of b lies in the space of a is the product of two vectors: the projection onto that space, and all products of
two waves of b. So a block of pairs is asked by one product of matrices, and the few that pass again with more waves.
"""

from typing import NamedTuple

import numpy as np

from components.ingest.duplicates.thumbnails import CUT, KEPT, MIDDLE, whole_waves, window_waves

FEW = 24  # waves of the first question
# of its vectors, rounded to whole numbers: sums below 2**24 are exact in float32, in whatever order they are added
SCALE = 2700
# share of b's energy that may lie outside of a's space: of the few coarsest waves, and of all
MISSED_FEW, MISSED = 0.0065, 0.0165
ENOUGH = (1 - MISSED_FEW) * SCALE**2  # product of a's projection and b's products, at least
RIDGE = 1e-5  # keeps directions of a space that are nearly none from counting
# where waves may say that the edges of b lie in a
EDGE = np.array([-0.03, 0.92, -0.03, 0.92]), np.array([0.08, 1.03, 0.08, 1.03])
AREA = 1.03  # of b in a, at most: else it is a that was cropped, which is asked too

_I, _J = np.triu_indices(FEW)
_TWICE = np.where(_I == _J, 1, np.sqrt(2))  # products off the diagonal stand for two
WAVES = np.dtype((np.float32, KEPT))
VIEW = np.dtype([("waves", np.float32, KEPT), ("products", np.int16, len(_I))])  # of an image, in a temporary file


class Space(NamedTuple):
    """What windows of some images look like, to first order."""

    middle: np.ndarray  # the FEW coarsest waves of the middle window, of length SCALE: int16 (images, FEW)
    projection: np.ndarray  # of the FEW coarsest waves, SCALE is one: float32 (images, products)
    basis: np.ndarray  # orthonormal: float32 (images, 5, KEPT)
    # how much of the middle window and its four changes makes each vector of the basis: (images, 5, 5)
    weights: np.ndarray


def unit_waves(thumbnails: np.ndarray) -> np.ndarray:
    """The KEPT coarsest waves, of length 1: WAVES (images,)."""
    return _unit(whole_waves(thumbnails)).astype(np.float32)


def coarse(waves: np.ndarray) -> np.ndarray:
    """The FEW coarsest of some waves, of length SCALE and rounded: int16 (images, FEW)."""
    return np.round(SCALE * _unit(waves[:, :FEW])).astype(np.int16)


def view(waves: np.ndarray) -> np.ndarray:
    """Unit waves with the products of each two of the FEW coarsest, these of length SCALE: VIEW (images,)."""
    few = _unit(waves[:, :FEW].astype(np.float64))
    result = np.empty(len(waves), VIEW)
    result["waves"] = waves
    result["products"] = np.round(SCALE * few[:, _I] * few[:, _J] * _TWICE)
    return result


def space(thumbnails: np.ndarray) -> Space:
    """The spaces of waves in which copies of each thumbnail lie, cropped or not."""
    waves = window_waves(thumbnails)
    few, _ = _orthonormal(waves[:, :, :FEW])
    projection = np.round(SCALE * (few.transpose(0, 2, 1) @ few)[:, _I, _J] * _TWICE)
    basis, weights = _orthonormal(waves)
    return Space(coarse(waves[:, 0]), projection.astype(np.float32), basis.astype(np.float32), weights)


def windows(spaces: Space, a: np.ndarray, waves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit waves of b in the space of a: the share of b's energy outside of it, and where in a that says b lies.

    a: numbers of spaces (pairs,); waves: of length 1 (pairs, KEPT). Returns (pairs,) and windows (pairs, 4). Where only
    the negative of a would fit, all is outside.
    """
    inside = (spaces.basis[a] @ waves[..., None])[..., 0]
    missed = 1 - np.square(inside, dtype=np.float64).sum(1)
    weights = (inside[:, None].astype(np.float64) @ spaces.weights[a])[:, 0]
    gain = np.where(weights[:, 0] > 0, weights[:, 0], np.inf)
    outwards = weights[:, 1:] / gain[:, None] * CUT
    return np.where(weights[:, 0] > 0, missed, 1), MIDDLE + outwards * [-1, 1, -1, 1]


def plausible(missed: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Whether what `windows` found may be a copy: bool (pairs,)."""
    area = (window[:, 1] - window[:, 0]) * (window[:, 3] - window[:, 2])
    return ((window >= EDGE[0]) & (window <= EDGE[1])).all(1) & (area <= AREA) & (missed <= MISSED)


def _orthonormal(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal combinations of the vectors of each image (images, 5, n), and the weights of each (images, 5, 5)."""
    normal = vectors @ vectors.transpose(0, 2, 1)
    normal += np.eye(normal.shape[1]) * (RIDGE * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-12)
    weights = np.linalg.inv(np.linalg.cholesky(normal))
    return weights @ vectors, weights


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.sqrt(np.square(vectors).sum(1, keepdims=True)) + 1e-12)
