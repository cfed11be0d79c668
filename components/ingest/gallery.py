"""Small pictures of a source's images for the report."""

import io

from components.common import html
from components.common.images import decode, png
from components.ingest.pack import Contents

THUMBNAIL = 160  # pixels of the longer side, shown at half of it


class Gallery:
    """Pictures by id, of all images that were read, those set aside included."""

    def __init__(self, packed: Contents) -> None:
        self.packed = packed

    def picture(self, image_id: str) -> bytes:
        """A PNG of a tiny image, a JPEG of any other."""
        image = self.packed.images[image_id]
        picture = decode(self.packed.stored(image), "RGB", image.width * image.height)
        if max(picture.size) <= html.TINY:
            return png(picture)
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()
