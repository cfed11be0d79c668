"""How an image looks, in three numbers: for slices of a report, and to see what arrives drift away from what was
measured.
"""

from typing import NamedTuple

import numpy as np


class Looks(NamedTuple):
    brightness: float  # mean of the pixels, 0 to 1
    size: float  # pixels: side of the square of as many as the whole image has
    sharpness: float  # variance of the Laplacian


def looks(pixels: np.ndarray, width: int, height: int) -> Looks:
    """pixels: uint8 (channels, s, s), as a network is fed them; width, height: of the whole image, in pixels."""
    return Looks(brightness(pixels), size(width, height), sharpness(pixels))


def brightness(pixels: np.ndarray) -> float:
    """Mean of uint8 pixels (channels, s, s), 0 for black to 1 for white."""
    return float(pixels.mean(dtype=np.float64) / 255)


def size(width: int, height: int) -> float:
    """Geometric mean of width and height."""
    return float(np.sqrt(float(width) * float(height)))


def sharpness(pixels: np.ndarray) -> float:
    """Variance of the Laplacian of the grey values in 0..1 (Pech-Pacheco et al. 2000); near 0 where there are no edges.

    pixels: uint8 (channels, s, s). Each grey value is the mean of the channels; the border is repeated outwards.
    """
    grey = np.pad(pixels.mean(axis=0, dtype=np.float64) / 255, 1, mode="edge")
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.var(around - 4 * grey[1:-1, 1:-1]))
