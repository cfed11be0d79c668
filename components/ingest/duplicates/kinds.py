"""The two kinds of copies that are looked for: near-duplicates, and edited ones, whose tones have changed."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from components.ingest.duplicates.alignment import GRID, align, cut_out
from components.ingest.duplicates.thumbnails import BLANK, SIDE, contrast
from components.ingest.duplicates.tones import detail, equalised, largest_tone

# most energy of the difference, as a share of the picture's: of a rough fit by pixels, and of the last
ROUGH, FINE = 0.012, 0.004
GAIN = 1.15  # most that contrast may have changed: the same garment in another grey is no copy
ROUGH_TONES, FINE_TONES = 0.03, 0.02  # as ROUGH and FINE, of equalised pictures: clipped tones cannot be made equal
# Most of an image that may be of one grey. Of a drawing, a digit or a product before a plain ground only the outline is
# left when tones do not count, and many others have the same.
GROUND = 0.2
DETAILED = 0.05  # share of squares that must have detail, at least
ALIKE, NEARLY = 0.9, 0.8  # correlation of detail: on average, and in each square but for SPOILT of them
SPOILT = 0.03


class Kind(NamedTuple):
    """How copies of a kind are found. All take thumbnails, uint8 (images, SIDE, SIDE)."""

    admits: Callable[[np.ndarray], np.ndarray]  # images that can be told apart at all: bool (images,)
    shown: Callable[[np.ndarray], np.ndarray]  # the pictures of which waves are compared
    # whether each b shows a window of a, near a given one (pairs, 4): bool (pairs,)
    judge: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def near(a: np.ndarray, b: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Whether each b shows a window of a in the same tones."""
    a = a.astype(np.float32)
    b = b.astype(np.float32)
    energy, gain, window = align(a, b, window, GRID, 1)
    result = (energy <= ROUGH) & (np.abs(np.log(gain)) <= np.log(GAIN))
    left = np.flatnonzero(result)
    if len(left):
        energy, gain, _ = align(a[left], b[left], window[left], SIDE, 4)
        result[left] = (energy <= FINE) & (np.abs(np.log(gain)) <= np.log(GAIN))
    return result


def edited(a: np.ndarray, b: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Whether each b shows a window of a in whatever tones: shapes fit when equalised, and the detail is the same."""
    one = equalised(a).astype(np.float32)
    other = equalised(b).astype(np.float32)
    energy, _, window = align(one, other, window, GRID, 1)
    result = energy <= ROUGH_TONES
    left = np.flatnonzero(result)
    if len(left):
        energy, _, window = align(one[left], other[left], window[left], SIDE, 4)
        share, correlation = detail(cut_out(a[left].astype(np.float32), window, SIDE), b[left].astype(np.float32))
        result[left] = (energy <= FINE_TONES) & _same_detail(share, correlation)
    return result


def _same_detail(share: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Whether enough squares have detail, nearly all have the same, and on average it is as good as equal."""
    squares = share * correlation.shape[1]
    average = 1 - (1 - correlation).sum(1) / np.maximum(squares, 1)
    spoilt = (correlation < NEARLY).sum(1)
    return (share >= DETAILED) & (average >= ALIKE) & (spoilt <= SPOILT * squares)


def _can_be_near(thumbnails: np.ndarray) -> np.ndarray:
    return contrast(thumbnails) >= BLANK


def _can_be_edited(thumbnails: np.ndarray) -> np.ndarray:
    return _can_be_near(thumbnails) & (largest_tone(thumbnails) <= GROUND)


NEAR = Kind(_can_be_near, lambda thumbnails: thumbnails, near)
EDITED = Kind(_can_be_edited, equalised, edited)
