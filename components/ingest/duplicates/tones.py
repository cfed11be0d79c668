"""Compare thumbnails whatever their tones: what a change of contrast, brightness or gamma leaves as it was."""

import numpy as np

from components.ingest.duplicates.thumbnails import SIDE

LEVELS = 256
BLOCK = 8  # pixels: side of the squares in which detail is compared
NOISE, TEXTURED = 2.0, 5.0  # grey levels of standard deviation: of a re-encoding, and of a square that has some detail


def equalised(thumbnails: np.ndarray) -> np.ndarray:
    """Each pixel's rank among those of its image, ties in the middle of theirs: uint8 (images, SIDE, SIDE).

    Two that differ by a rising tone curve are equal afterwards, but for tones that the curve has merged.
    """
    tones = _tones(thumbnails)
    ranks = ((2 * tones.cumsum(1) - tones) * (LEVELS - 1) // (2 * SIDE * SIDE)).astype(np.uint8)
    return np.stack([ranks[number][image] for number, image in enumerate(thumbnails)]) if len(ranks) else thumbnails


def largest_tone(thumbnails: np.ndarray) -> np.ndarray:
    """The share of each image that has its most frequent grey level: float64 (images,)."""
    return _tones(thumbnails).max(1, initial=0) / SIDE**2


def detail(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of squares in which both images have detail (pairs,), and how it correlates in each (pairs, squares).

    a, b: float32 (pairs, SIDE, SIDE). A tone curve is straight within a small square, so it leaves the correlation at
    1; noise of a re-encoding counts as such. Squares without detail have a correlation of 1.
    """
    one, other = _squares(a), _squares(b)
    power, other_power = np.square(one).mean(2), np.square(other).mean(2)
    textured = np.minimum(power, other_power) >= TEXTURED**2
    correlation = (one * other).mean(2) / np.sqrt((power + NOISE**2) * (other_power + NOISE**2))
    return textured.mean(1), np.where(textured, correlation, 1)


def _tones(thumbnails: np.ndarray) -> np.ndarray:
    """Pixels of each grey level: int64 (images, LEVELS)."""
    counts = [np.bincount(image, minlength=LEVELS) for image in thumbnails.reshape(len(thumbnails), SIDE * SIDE)]
    return np.array(counts, np.int64).reshape(-1, LEVELS)


def _squares(images: np.ndarray) -> np.ndarray:
    """Squares of BLOCK pixels, each of mean 0: (images, squares, pixels)."""
    across = SIDE // BLOCK
    squares = images.reshape(-1, across, BLOCK, across, BLOCK).swapaxes(2, 3).reshape(-1, across**2, BLOCK**2)
    return squares - squares.mean(2, keepdims=True)
