"""Small pictures of a source's images for the report."""

import io
from collections import Counter
from pathlib import Path

from components.common import html
from components.common.data.images import decode, png
from components.common.storage import Store
from components.ingest.version.inventory import Inventory

THUMBNAIL = 160  # pixels of the longer side, shown at half of it
ANY_SIZE = 1 << 40  # what is stored has been checked
WORTH = 1 << 20  # bytes of a shard that cost about what a request of its own does


class Gallery:
    """Pictures by id, of all images that were read, those set aside included.

    A shard is fetched whole once the requests for its single pictures have cost as much.
    """

    def __init__(self, inventory: Inventory, store: Store) -> None:
        self.inventory = inventory
        self.store = store
        self._asked: Counter[str] = Counter()  # pictures of each shard, by its key
        self._held: dict[str, Path] = {}  # shards that were fetched whole, and verified

    def picture(self, image_id: str) -> bytes:
        """A PNG of a tiny image, a JPEG of any other."""
        picture = decode(self._stored(image_id), "RGB", ANY_SIZE)
        if max(picture.size) <= html.TINY:
            return png(picture)
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    def _stored(self, image_id: str) -> bytes:
        shard, offset, size = self.inventory.picture(image_id)
        self._asked[shard.key] += 1
        if shard.size > WORTH * self._asked[shard.key]:
            return self.store.read_range(shard.key, offset, size)
        if shard.key not in self._held:
            self._held[shard.key] = self.store.local(shard.key, shard.sha256, shard.size)
        with self._held[shard.key].open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def close(self) -> None:
        for path in self._held.values():
            self.store.let_go(path)
