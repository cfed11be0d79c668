"""Pictures for browsers: as they are stored, or smaller."""

import io
from typing import NamedTuple

from PIL import Image

SIDES = {"thumb": 320, "screen": 1600, "full": 0}  # pixels of the longer side at most; 0: as it is stored
QUALITY = 88  # of the JPEG that a large picture becomes


class Picture(NamedTuple):
    data: bytes
    media_type: str


def picture(data: bytes, width: int, height: int, size: str) -> Picture:
    """An upright JPEG or PNG of so many pixels; size: a key of SIDES."""
    is_png = data.startswith(b"\x89PNG")
    stored = Picture(data, "image/png" if is_png else "image/jpeg")
    side = SIDES[size]
    if not side or max(width, height) <= side:
        return stored
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        image.draft(image.mode, (side, side))  # a JPEG decodes to a half, a quarter or an eighth at once
        image.thumbnail((side, side), reducing_gap=2.0)
        small = io.BytesIO()
        image.save(small, "JPEG", quality=QUALITY)
    return Picture(small.getvalue(), "image/jpeg")
