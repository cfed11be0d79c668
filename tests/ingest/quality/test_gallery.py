"""Pictures for the report: a few of a large shard are fetched alone, many with the whole shard."""

import io
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

from components.common.artifacts import TRAIN, Shard
from components.common.data.images import png
from components.common.data.shards import ShardWriter
from components.common.files import sha256_bytes
from components.common.storage.folder import FolderStore
from components.ingest.quality.gallery import WORTH, Gallery
from components.ingest.version.inventory import Inventory


class CountedStore(FolderStore):
    """Counts what is asked of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked = Counter[str]()

    def read_range(self, key: str, start: int, size: int) -> bytes:
        self.asked["range"] += 1
        return super().read_range(key, start, size)

    def local(self, key: str, sha256: str, size: int) -> Path:
        self.asked["whole"] += 1
        return super().local(key, sha256, size)


def test_a_shard_of_which_many_pictures_are_shown_is_fetched_once(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 500, 800), np.uint8)
    files = {sha256_bytes(data): data for data in (png(Image.fromarray(image)) for image in noise)}
    with ShardWriter(tmp_path, TRAIN, 1 << 30) as writer:
        places = {name: writer.add(f"{name}.png", data)[1] for name, data in files.items()}
    packed = writer.shards[0]
    assert 4 * WORTH < packed.size < 5 * WORTH
    with closing(Inventory(tmp_path)) as inventory:
        inventory.holders = [Shard(packed.path.name, packed.sha256, packed.size, len(files))]
        inventory.db.executemany(
            "INSERT INTO files (key, size, id, rank) VALUES (?, 1, ?, 3)", ((name, name) for name in files)
        )
        inventory.db.executemany(
            "INSERT INTO stored VALUES (?, 0, ?, ?, 800, 500, ?)",
            ((name, places[name], len(data), TRAIN) for name, data in files.items()),
        )
        inventory.join()
        store = CountedStore(tmp_path)
        with closing(Gallery(inventory, store)) as gallery:
            shown = [gallery.picture(name) for name in files]
            again = [gallery.picture(name) for name in files]
    assert shown == again
    assert store.asked == {"range": 4, "whole": 1}
    first = Image.open(io.BytesIO(shown[0]))
    assert abs(np.asarray(first).mean() - noise[0].mean()) < 3
