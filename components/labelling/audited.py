"""Images of a model's answers in production that were drawn for an audit: people say what they show, and nobody is told
what the model said.
"""

import io
from collections.abc import Callable
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from components.common.audits import drawn
from components.common.storage import Store

AUDIT = "audit"  # the purpose of these images


class Audited(NamedTuple):
    """Read-only. By id, in the order of drawing."""

    images: dict[str, bytes | None]  # the picture that the draw came with, where the dataset does not hold the image
    sizes: dict[str, tuple[int, int]]  # of these pictures, in pixels
    unseen: int = 0  # images that can be shown to nobody: neither is there
    look: int = 0  # the newest one that was read


NOTHING = Audited({}, {})


def read_audited(
    store: Store,
    model: str,
    row: Callable[[str], int | None],
    is_done: Callable[[str], bool],
    before: Audited = NOTHING,
) -> Audited:
    """What looks at a model have drawn since `before`, and that. row: of an image in the dataset; is_done: whether all
    is said about an image.
    """
    images, sizes, unseen, newest = dict(before.images), dict(before.sizes), before.unseen, before.look
    for look in drawn(store, model, before.look):
        newest = look.number
        for image, data in zip(*(look.answers.column(name).to_pylist() for name in ("id", "picture")), strict=True):
            if image in images or is_done(image):
                continue
            if row(image) is not None:
                images[image] = None
            elif size := _size(data):
                images[image], sizes[image] = data, size
            else:
                unseen += 1
    return before if newest == before.look else Audited(images, sizes, unseen, newest)


def _size(data: bytes | None) -> tuple[int, int] | None:
    """Width and height of a PNG or JPEG; None where it is none."""
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            return image.size
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
