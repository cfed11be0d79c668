"""Whether one thumbnail is a window of another, by pixels: the window is fitted, brightness and contrast are told apart
from it.
"""

import numpy as np

from components.ingest.duplicates.thumbnails import SIDE

# side of the picture on which two images must agree: what a re-encoding or a resampling does to single pixels is lost
GRID = 16
REACH, SPILL = 0.1, 0.03  # of the side: how far inside and outside of a the edges of b may lie
LIMITS = np.array([-SPILL, 1 - REACH, -SPILL, 1 - REACH]), np.array([REACH, 1 + SPILL, REACH, 1 + SPILL])


def align(
    a: np.ndarray, b: np.ndarray, window: np.ndarray, side: int, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit the window of a that looks like b by Gauss-Newton (Lucas and Kanade 1981), on pictures of side x side.

    a, b: float32 (pairs, SIDE, SIDE); window: (pairs, 4), where to start: left, right, top, bottom as shares of the
    side. Returns the energy of what differs on a GRID x GRID picture, as a share of b's (0 for equal, 2 for unrelated):
    (pairs,); how many times the contrast of a's window b has: (pairs,); and the windows.
    """
    place = ((np.arange(side) + 0.5) / side).astype(np.float32)
    target, power = _unit(_pooled(b, side))
    window = np.clip(window, *LIMITS)
    for _ in range(steps):
        shown, _ = _unit(cut_out(a, window, side))
        down, across = np.gradient(shown, axis=(1, 2))
        slopes = np.stack([across * (1 - place), across * place, down * (1 - place)[:, None], down * place[:, None]], 1)
        slopes = slopes.reshape(len(a), 4, -1)
        normal = (slopes @ slopes.transpose(0, 2, 1)).astype(np.float64)
        normal += np.eye(4) * (1e-3 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-12)
        aim = (slopes @ (target - shown).reshape(len(a), -1, 1)).astype(np.float64)
        window = np.clip(window + np.linalg.solve(normal, aim)[..., 0] / side, *LIMITS)
    shown, shown_power = _unit(cut_out(a, window, side))
    difference = _pooled(target - shown, GRID) * (side // GRID)
    return np.square(difference, dtype=np.float64).sum((1, 2)), power / shown_power, window


def cut_out(images: np.ndarray, window: np.ndarray, side: int) -> np.ndarray:
    """A window of each image, averaged over side x side equal areas."""
    return (
        _averaging(window[:, 2], window[:, 3], side)
        @ images
        @ _averaging(window[:, 0], window[:, 1], side).transpose(0, 2, 1)
    )


def _averaging(low: np.ndarray, high: np.ndarray, side: int) -> np.ndarray:
    """Matrices that average SIDE pixels over `side` equal spans from low to high: float32 (pairs, side, SIDE).

    Pixels at the border go on outside.
    """
    edges = (SIDE * (low[:, None] + (high - low)[:, None] * (np.arange(side + 1) / side))).astype(np.float32)
    passed = edges[:, :, None] - np.arange(SIDE, dtype=np.float32)  # how much of each pixel lies before an edge
    inner = passed[:, :, 1:-1]
    np.maximum(inner, 0, out=inner)
    np.minimum(passed[:, :, :-1], 1, out=passed[:, :, :-1])
    np.maximum(passed[:, :, -1], 0, out=passed[:, :, -1])
    weights = passed[:, 1:] - passed[:, :-1]
    weights /= (edges[:, 1:] - edges[:, :-1])[:, :, None]
    return weights


def _pooled(images: np.ndarray, side: int) -> np.ndarray:
    """Averages of blocks, so that side x side are left."""
    block = images.shape[1] // side
    if block == 1:
        return images
    matrix = np.repeat(np.eye(side, dtype=np.float32) / block, block, 1)
    return matrix @ images @ matrix.T


def _unit(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images of mean 0 and length 1, and the lengths that they had: (images,)."""
    centred = images - images.mean((1, 2), keepdims=True)
    flat = centred.reshape(len(images), -1)
    lengths = np.sqrt(np.einsum("ij,ij->i", flat, flat)) + np.float32(1e-6)
    return centred / lengths[:, None, None], lengths
