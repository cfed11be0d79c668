"""Embed a dataset into an artifact."""

from pathlib import Path

from components.common.artifacts import load_dataset
from components.common.files import new_folder
from components.common.learning.training import set_threads
from components.common.storage import open_store
from components.sample.embed.joining import join
from components.sample.settings import SampleSettings


def run(dataset: Path, encoder: Path, store: str, threads: int, settings: SampleSettings, embeddings: Path) -> None:
    """Embed all images of a dataset: what `sample` hands on as its embeddings, and nothing else of what it does."""
    set_threads(threads)
    with new_folder(embeddings) as folder:
        join(folder, "", load_dataset(dataset), encoder, open_store(store), threads)
