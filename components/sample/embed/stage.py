"""Embed a slice of a dataset."""

import tempfile
from pathlib import Path

from components.common.artifacts import load_dataset
from components.common.files import write_text
from components.common.learning.training import set_threads
from components.common.storage import open_store
from components.sample.embed.slices import Embedder, ends, keep, made_of
from components.sample.settings import SampleSettings


def run(
    dataset: Path,
    encoder: Path,
    name: str,
    store: str,
    threads: int,
    part: int,
    settings: SampleSettings,
    embedded: Path,
) -> None:
    """Embed slice `part` (from 0) of `workers` of the images, and keep it in the store for `sample` to join."""
    set_threads(threads)
    data = load_dataset(dataset)
    place = open_store(store)
    first, last = ends(data.index.num_rows, part, settings.workers)
    embedded.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".embed-", dir=embedded.parent) as scratch:
        path = Path(scratch) / "embeddings.npy"
        Embedder("embed", data, encoder, place, threads).write(path, first, last)
        write_text(embedded, keep(path, f"embeddings/{name}/{made_of(data, encoder)}", first, last, place).text())
