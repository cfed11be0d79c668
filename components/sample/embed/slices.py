"""Slices of a dataset's embeddings, which tasks write side by side, and their join.

A slice is a range of the images in the order in which they lie in the shards. It begins at a multiple of the batch, so
that a forward pass sees the same images whatever the number of slices, and the joined embeddings are equal to the byte.

    embeddings/<name>/<digest of dataset and encoder>/<first>-<last>-<sha256>.npy   float16 (images, features)
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch.nn import functional as F

from components.common.artifacts import Dataset
from components.common.cli import progress
from components.common.data.reader import ShardReader
from components.common.files import sha256_file, sha256_json, sha256_tree
from components.common.learning.footprint import check_inference
from components.common.learning.inference import BATCH, predict_pixels
from components.common.learning.loading import Images
from components.common.learning.models import load_encoder
from components.common.storage import Store

LINES = 50  # of progress in a log, at most


class Slice(NamedTuple):
    """Embeddings of images `first` to `last` (less one) in the order of the shards, as an object of the store."""

    root: str  # key of its folder
    first: int
    last: int
    sha256: str
    size: int  # bytes

    @property
    def key(self) -> str:
        return f"{self.root}/{self.first}-{self.last}-{self.sha256}.npy"

    def text(self) -> str:
        """As tasks hand it on."""
        return f"{self.key}:{self.size}"


def read_slice(text: str) -> Slice:
    found = re.fullmatch(r"(embeddings/.+)/(\d+)-(\d+)-([0-9a-f]{64})\.npy:(\d+)", text)
    if found is None:
        raise ValueError(f"{text!r} is no slice of embeddings; expected what components.sample.embed has written")
    return Slice(found[1], int(found[2]), int(found[3]), found[4], int(found[5]))


def ends(images: int, part: int, workers: int) -> tuple[int, int]:
    """Where slice `part` (from 0) begins and ends; one of few images may be empty."""
    batches = -(-images // BATCH)
    first, last = (BATCH * (batches * number // workers) for number in (part, part + 1))
    return min(images, first), min(images, last)


def made_of(dataset: Dataset, encoder: Path) -> str:
    """Digest of what embeddings follow from."""
    return sha256_json([dataset.id, sha256_tree(encoder)])[:12]


class Embedder:
    """Embeds ranges of one dataset. stage: whose memory is looked at first."""

    def __init__(self, stage: str, dataset: Dataset, encoder: Path, store: Store, threads: int) -> None:
        self.network, self.spec, _ = load_encoder(encoder)
        check_inference(stage, self.spec, min(BATCH, dataset.index.num_rows))
        self.images = Images(dataset, store, self.spec.mode, self.spec.image_size, threads, keep=False)
        self.order = in_shards(dataset, store)

    def blocks(self, first: int, last: int) -> Iterator[np.ndarray]:
        """Unit-length features of the images of a range, a batch at a time: float32 (batch, features)."""
        starts = range(first, last, BATCH)
        for start in progress(starts, len(starts), "embedding", every=max(1, len(starts) // LINES)):
            pixels = self.images.batch(self.order[start : min(start + BATCH, last)])
            features = torch.from_numpy(predict_pixels(self.network, self.spec, pixels))
            yield F.normalize(features, dim=1).numpy()

    def write(self, path: Path, first: int, last: int) -> None:
        """The embeddings of a range as a file, float16 (images, features)."""
        file: np.ndarray | None = None
        for start, block in zip(range(0, last - first, BATCH), self.blocks(first, last), strict=True):
            if file is None:
                file = open_memmap(path, "w+", np.float16, (last - first, block.shape[1]))
            file[start : start + len(block)] = block
        if file is None:
            np.save(path, np.empty((0, 0), np.float16))


def in_shards(dataset: Dataset, store: Store) -> np.ndarray:
    """All rows in the order in which they lie in the shards."""
    return ShardReader(dataset, store).by_place(np.arange(dataset.index.num_rows))


def keep(path: Path, root: str, first: int, last: int, store: Store) -> Slice:
    """Put a slice into the store; what is there already stays."""
    kept = Slice(root, first, last, sha256_file(path), path.stat().st_size)
    if next(iter(store.list(kept.key)), None) is None:
        store.upload(kept.key, path)
    return kept
