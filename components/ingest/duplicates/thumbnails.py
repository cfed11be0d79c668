"""Grey thumbnails of images, and their coarsest cosine waves, of the whole and of windows of it."""

import numpy as np
from PIL import Image

SIDE = 64  # pixels of a thumbnail, which is square whatever the image
BLANK = 3.0  # grey levels of standard deviation in the thumbnail, below which there is nothing to see
WAVES = 9  # frequencies per direction, 0 to 4 periods
KEPT = 64  # waves that are kept of a window: the coarsest, without the mean
CUT = 0.02  # of the side: what the middle window leaves out at each edge

MIDDLE = np.array([CUT, 1 - CUT, CUT, 1 - CUT])  # left, right, top, bottom
_SPANS = ((CUT, 1 - CUT), (0.0, 1 - CUT), (CUT, 1.0))  # of the middle window, and with one edge at the picture's
_WINDOWS = ((0, 0), (0, 1), (0, 2), (1, 0), (2, 0))  # numbers of the spans, down and across
_COARSEST = sorted((u + v, u, v) for u in range(WAVES) for v in range(WAVES) if u + v)[:KEPT]
_U, _V = [u for _, u, _ in _COARSEST], [v for _, _, v in _COARSEST]


def thumbnail(image: Image.Image) -> np.ndarray:
    """An image in mode RGB or L in grey, squeezed to a square: uint8 (SIDE, SIDE)."""
    grey = image if image.mode == "L" else image.convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0))


def contrast(thumbnails: np.ndarray) -> np.ndarray:
    """Standard deviations in grey levels: float64 (images,). thumbnails: uint8 (images, SIDE, SIDE)."""
    flat = thumbnails.reshape(len(thumbnails), SIDE * SIDE)
    squares = np.square(flat, dtype=np.uint16).sum(1, dtype=np.int64)  # whole numbers: exact on every machine
    return np.sqrt(squares * SIDE**2 - np.square(flat.sum(1, dtype=np.int64))) / SIDE**2


def whole_waves(thumbnails: np.ndarray) -> np.ndarray:
    """The KEPT coarsest cosine waves of each thumbnail: float64 (images, KEPT), whole numbers.

    Sums of products of whole numbers are exact in floats, so every machine and every batch finds the same.
    """
    return np.ascontiguousarray((_WHOLE @ (thumbnails.astype(np.float64) @ _WHOLE.T))[:, _V, _U])


def window_waves(thumbnails: np.ndarray) -> np.ndarray:
    """The waves of the middle window, and what moving an edge of it outwards by CUT adds to them: float64 (images, 5,
    KEPT).

    The edges are left, right, top, bottom. To first order the five span the waves of any window near the middle one.
    """
    product = _PARTS @ (thumbnails.astype(np.float64) @ _PARTS.T)
    by_span = product.reshape(len(thumbnails), len(_SPANS), WAVES, len(_SPANS), WAVES)
    found = np.stack([by_span[:, down, :, across][:, _V, _U] for down, across in _WINDOWS], 1)
    found[:, 1:] -= found[:, :1]
    return found


def _basis(low: float, high: float) -> np.ndarray:
    """Cosines over a span of the thumbnail, with whole-numbered weights: (WAVES, SIDE)."""
    edges = np.arange(SIDE + 1) / SIDE
    # of a pixel inside the span
    share = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) * SIDE
    place = ((edges[1:] + edges[:-1]) / 2 - low) / (high - low)
    return np.round(1024 * share * np.cos(np.pi * np.arange(WAVES)[:, None] * place))


_WHOLE = _basis(0, 1)
_PARTS = np.concatenate([_basis(low, high) for low, high in _SPANS])
