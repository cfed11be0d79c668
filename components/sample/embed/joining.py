"""Join slices of embeddings to an artifact."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from components.common.artifacts import Dataset, load_embeddings, new_embeddings
from components.common.learning.inference import BATCH
from components.common.storage import IntegrityError, Store
from components.sample.embed.slices import Embedder, Slice, in_shards, keep, made_of, read_slice

ROWS = 64 * BATCH  # copied at a time


def join(folder: Path, embedded: str, dataset: Dataset, encoder: Path, store: Store, threads: int) -> np.ndarray:
    """Write the embeddings of a dataset into a folder, and return them as `load_embeddings` does.

    embedded: JSON of a list of what the tasks that embed handed on. What it lacks, or what the store holds no more, is
    embedded here.
    """
    order = in_shards(dataset, store)
    root = f"embeddings/{dataset.name}/{made_of(dataset, encoder)}"
    vectors: np.ndarray | None = None
    with tempfile.TemporaryDirectory(prefix=".join-", dir=folder.parent) as scratch:
        for one in _covering(map(read_slice, json.loads(embedded or "[]")), root, len(order)):
            path = _fetched(one, store)
            if path is None:
                path = Path(scratch) / "embeddings.npy"
                Embedder("sample", dataset, encoder, store, threads).write(path, one.first, one.last)
                keep(path, root, one.first, one.last, store)
            at = one.first
            for block in _blocks(path):
                if vectors is None:
                    vectors = new_embeddings(folder, dataset, block.shape[1])
                vectors[order[at : at + len(block)]] = block
                at += len(block)
            store.let_go(path)
    del vectors  # written
    return load_embeddings(folder, dataset)


def _covering(slices: Iterable[Slice], root: str, images: int) -> Iterator[Slice]:
    """The slices of that folder that cover all images once, in order; those that are missing have no digest."""
    at = 0
    for one in sorted(slices):
        if one.root != root or one.first < at or one.first == one.last:
            continue
        if one.first > at:
            yield Slice(root, at, one.first, "", 0)
        yield one
        at = one.last
    if at < images:
        yield Slice(root, at, images, "", 0)


def _fetched(one: Slice, store: Store) -> Path | None:
    """The slice as a file of this machine; None where it is not there."""
    if not one.sha256:
        return None
    try:
        return store.local(one.key, one.sha256, one.size)
    except IntegrityError as error:
        print(f"{error}: embedded here instead", flush=True)
        return None


def _blocks(path: Path) -> Iterator[np.ndarray]:
    """A file of embeddings in blocks; read, since what is mapped would count as this process's memory."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        (images, features), _, kind = np.lib.format.read_array_header_1_0(file)
        for start in range(0, images, ROWS):
            count = min(ROWS, images - start)
            yield np.fromfile(file, kind, count * features).reshape(count, features)
