"""Pictures for pages, bounded in bytes whatever they show, so that a page stays small."""

import io

from PIL import Image

from components.common.data.images import png
from components.common.html import TINY

SIDES = (160, 112, 80, 56, 40, 28)  # pixels
QUALITIES = (80, 55, 30)  # of WebP


def small(image: Image.Image, most: int) -> bytes:
    """A picture of at most `most` bytes, if that can be: PNG of what is tiny, else WebP, as large as fits."""
    if max(image.size) <= TINY and len(data := png(image)) <= most:
        return data
    for side in SIDES:
        shown = image.copy()
        shown.thumbnail((side, side))
        for quality in QUALITIES:
            if len(data := webp(shown, quality)) <= most:
                return data
    return data


def webp(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()
