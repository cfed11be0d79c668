"""Digits in a store, and a round of candidates of them, as ingest and sample publish them."""

import io
import json
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits

from components.common.artifacts import CANDIDATES, CLUSTERS, TEST, TRAIN, Dataset
from components.common.data.reader import ShardReader
from components.common.files import json_text
from components.common.storage import Store, open_store
from components.labels.candidates import Candidates, newest_candidates
from components.labels.store import LabelStore
from components.sample.picks import Pick
from components.sample.publish import candidates_table, label_studio_json
from tests import tiny

ASKED = {TRAIN: 4, TEST: 2}  # images of each round


class World(NamedTuple):
    folder: str  # of the store
    dataset: Dataset

    @property
    def store(self) -> Store:
        return open_store(self.folder)

    @property
    def labels(self) -> LabelStore:
        return LabelStore(self.store, "digits")

    @property
    def asked(self) -> list[str]:
        """Ids of the newest candidates, in their order."""
        ids: list[str] = self.candidates.picks().column("id").to_pylist()
        return ids

    @property
    def candidates(self) -> Candidates:
        found = newest_candidates(self.store, "digits")
        assert found is not None
        return found


def build(folder: Path) -> World:
    """The first round."""
    digits = load_digits()
    pixels = np.minimum(digits.images[:60] * 16, 255).astype(np.uint8)
    dataset, _ = tiny.dataset(folder, str(folder / "store"), pixels, digits.target[:60].astype(str), stored_png)
    world = World(str(folder / "store"), dataset)
    world.store.write("datasets/digits/latest.json", json.dumps({"id": dataset.id}).encode())
    publish(world, 1)
    return world


def stored_png(pixels: np.ndarray) -> bytes:
    """A PNG without compression: its bytes, and so the id in the recordings, do not follow a library's version."""
    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    block = b"\1" + struct.pack("<HH", len(rows), len(rows) ^ 0xFFFF) + rows
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", b"\x78\1" + block + struct.pack(">I", zlib.adler32(rows))),
        (b"IEND", b""),
    ]
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def publish(world: World, number: int) -> None:
    """Candidates of round `number`: other images than those of the rounds before."""
    data, store = world.dataset, world.store
    picks = [
        Pick(
            int(row), split, "typical of a cluster of 9 (typicality 3.20)" if split == TRAIN else "random draw for test"
        )
        for split, count in ASKED.items()
        for row in data.rows(split)[(number - 1) * count : number * count]
    ]
    nothing = pa.Table.from_pylist([], schema=CLUSTERS)
    text = io.BytesIO()
    pq.write_table(candidates_table(data, picks, [None] * len(picks), {}, nothing).cast(CANDIDATES), text)
    key = f"candidates/digits/{number:012d}"
    store.write(f"{key}/candidates.parquet", text.getvalue())
    store.write(f"{key}/labelstudio.json", label_studio_json(data, ShardReader(data, store), picks).encode())
    about = {"format": 1, "round": number, "dataset": {"name": "digits", "id": data.id}, "classes": list(data.classes)}
    store.write(f"{key}/summary.json", json_text(about).encode())
