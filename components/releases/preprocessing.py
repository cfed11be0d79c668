"""preprocessing.json: how an image file becomes the pixels that a released model reads, as data.

The steps hold all that another program needs to make the same pixels; Gleaner's own are made by the one function that
training uses too (`components.common.data.images.seen`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.common.data.images import Seen, seen

FORMAT = 2
MAX_PIXELS = 100_000_000  # where no setting of ingest says


@dataclass(frozen=True)
class Preprocessing:
    """What a release says of its pixels."""

    mode: str  # RGB or L
    image_size: int  # pixels, square
    max_pixels: int  # files of more are refused, not decoded

    def pixels(self, data: bytes) -> np.ndarray:
        """uint8 (channels, image_size, image_size) of an image file; ImageError where it is none, is cut off or is too
        large.
        """
        return self.seen(data).pixels

    def seen(self, data: bytes) -> Seen:
        """The same, and the width and height of the whole image."""
        return seen(data, self.mode, self.image_size, self.max_pixels)


def describe(
    mode: str, image_size: int, mean: Sequence[float], std: Sequence[float], max_pixels: int = MAX_PIXELS
) -> dict[str, Any]:
    """preprocessing.json of a model of this mode, size and normalisation (of pixels in 0..1, by channel)."""
    grey = {"step": "grey", "value": "(19595 R + 38470 G + 7471 B + 32768) >> 16"}
    square = {"left": "(width - side) // 2", "top": "(height - side) // 2", "side": "min(width, height)"}
    return {
        "format": FORMAT,
        "mode": mode,
        "image_size": image_size,
        "max_pixels": max_pixels,
        "mean": list(mean),
        "std": list(std),
        "steps": [
            {"step": "decode", "frame": 0, "refused": ["cut off", f"more than {max_pixels} pixels"]},
            {"step": "bits", "from": 16, "to": 8, "value": "sample >> 8"},
            {"step": "flatten", "transparency": "alpha composite", "on": [255, 255, 255]},
            {"step": "colours", "to": "RGB", "profiles": "passed over", "cmyk": "(255 - ink) (255 - K) / 255"},
            *([grey] if mode == "L" else []),
            {"step": "upright", "by": "EXIF orientation"},
            {
                "step": "resize",
                "box": square,
                "beyond_box": "read, where the image has pixels there",
                "size": [image_size, image_size],
                "filter": "triangle of half-width max(1, side / image_size), normalised",
                "passes": "one across and one down, each rounded to 8 bits; their order changes a value by 1 at most",
                "library": "Pillow, BILINEAR",
            },
            {"step": "layout", "axes": ["batch", "channel", "row", "column"], "type": "uint8"},
        ],
        "inside_the_model": {"input": "pixels", "value": "(pixel / 255 - mean) / std"},
    }
