"""What an image looks like, small: a grey thumbnail, and the signs of its coarsest waves as a hash (a DCT perceptual hash).

A hash of the whole is not enough for copies with an edge cut off, which move every wave a little. So an image is hashed once as
it is and once per WINDOW of it, as if it had been cropped: the whole of a cropped copy then equals a window of the original.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

SIDE = 64  # pixels of a thumbnail, which is square whatever the image
WAVES = 9  # frequencies per direction, 0 to 4 periods
CUT = 0.04  # of the side: what a window leaves out at an edge
BITS = 64
BLANK = 3.0  # grey levels of standard deviation in the thumbnail, below which there is nothing to see

SPANS = ((0.0, 1.0), (CUT, 1.0), (0.0, 1 - CUT), (CUT, 1 - CUT))
WINDOWS = np.array([(*x, *y) for y in SPANS for x in SPANS])  # left, right, top, bottom; bit 0 to 3 of the number: which are cut
_COARSEST = sorted((u + v, u, v) for u in range(WAVES) for v in range(WAVES) if u + v)[:BITS]  # without the mean
_U, _V = [u for _, u, _ in _COARSEST], [v for _, _, v in _COARSEST]


RECORD = np.dtype([("thumbnail", np.uint8, (SIDE, SIDE)), ("waves", np.int16, (len(WINDOWS), BITS))])  # of an image in the album


class Look(NamedTuple):
    """A few kilobytes that stand for an image when copies are looked for."""

    record: bytes  # thumbnail in grey, and waves per window, one scale for all
    hashes: bytes  # one of 64 bits per window
    contrast: float  # standard deviation of the thumbnail, grey levels


def thumbnail(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0))


def look(image: Image.Image) -> Look:
    """The look of an image in mode RGB or L."""
    small = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0))
    found = waves(small)
    scaled = np.round(found * (32767 / max(1, np.abs(found).max()))).astype(np.int16)
    return Look(small.tobytes() + scaled.tobytes(), hashes(found).tobytes(), round(float(small.std()), 3))


def waves(thumbnail: np.ndarray) -> np.ndarray:
    """The BITS coarsest cosine waves of each window: float64 (windows, BITS), all whole numbers.

    A product of matrices of whole numbers is exact in floats, so every machine finds the same signs.
    """
    product = _BASES @ thumbnail.astype(np.float64) @ _BASES.T
    by_window = product.reshape(len(SPANS), WAVES, len(SPANS), WAVES).transpose(0, 2, 1, 3).reshape(-1, WAVES, WAVES)
    return np.ascontiguousarray(by_window[:, _U, _V])


def hashes(found: np.ndarray) -> np.ndarray:
    """The signs of waves: uint64 (windows,)."""
    return np.packbits(found > 0, axis=1).view(np.uint64)[:, 0]


def _basis(low: float, high: float) -> np.ndarray:
    """Cosines over a span of the thumbnail, with whole-numbered weights: (WAVES, SIDE)."""
    edges = np.arange(SIDE + 1) / SIDE
    share = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) * SIDE  # of a pixel inside the span
    place = ((edges[1:] + edges[:-1]) / 2 - low) / (high - low)
    return np.round(1024 * share * np.cos(np.pi * np.arange(WAVES)[:, None] * place))


_BASES = np.concatenate([_basis(low, high) for low, high in SPANS])


class Album:
    """The looks of all images, in the order added: hashes in memory (128 bytes an image), the rest in a file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._hashes: list[bytes] = []
        self.contrast: list[float] = []

    def add(self, one: Look) -> None:
        self._file.write(one.record)
        self._hashes.append(one.hashes)
        self.contrast.append(one.contrast)

    def hashes(self) -> np.ndarray:
        """uint64 (images, windows)."""
        return np.frombuffer(b"".join(self._hashes), np.uint64).reshape(-1, len(WINDOWS))

    def records(self) -> np.ndarray:
        """RECORD (images,), read from the file as they are needed."""
        if not self._hashes:
            return np.empty(0, RECORD)
        self._file.flush()
        return np.memmap(self._file, RECORD, "r", shape=(len(self._hashes),))

    def close(self) -> None:
        self._file.close()
