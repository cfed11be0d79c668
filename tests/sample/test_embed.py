"""Embedding side by side: any number of slices gives the bytes of one, and what is gone is made again."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from components.common.artifacts import Dataset, load_embeddings
from components.common.files import sha256_tree
from components.common.learning.inference import BATCH, embed
from components.common.learning.loading import Images
from components.common.learning.models import load_encoder
from components.common.storage import FolderStore, open_store
from components.sample.embed.joining import join
from components.sample.embed.slices import ends, read_slice
from components.sample.embed.stage import run
from components.sample.settings import SampleSettings
from tests import tiny
from tests.stages import encoder


@pytest.fixture
def store(tmp_path: Path, tiny_world: tiny.World) -> FolderStore:
    """Another store with the same images, which no other test has embedded into."""
    for path in Path(tiny_world.store).glob("datasets/digits/*.*"):
        (tmp_path / "store" / "datasets" / "digits").mkdir(parents=True, exist_ok=True)
        (tmp_path / "store" / "datasets" / "digits" / path.name).hardlink_to(path)
    return FolderStore(tmp_path / "store")


def slices(world: tiny.World, store: FolderStore, folder: Path, workers: int) -> str:
    """What the tasks hand on to sample."""
    texts = []
    for part in range(workers):
        path = folder / f"embedded-{part}"
        settings = SampleSettings(workers=workers)
        run(world.dataset, encoder(folder / "encoder"), "digits", store.uri, 1, part, settings, path)
        texts.append(path.read_text())
    return json.dumps(texts)


def joined(data: Dataset, store: FolderStore, folder: Path, embedded: str) -> Path:
    (folder / "out").mkdir(exist_ok=True)
    join(folder / "out", embedded, data, encoder(folder / "encoder"), store, 1)
    return folder / "out"


def test_slices_begin_at_batches_and_cover_all_images_once():
    for images in (1, 255, 256, 257, 900, 5000):
        for workers in (1, 2, 3, 7, 30):
            cuts = [ends(images, part, workers) for part in range(workers)]
            assert cuts[0][0] == 0
            assert cuts[-1][1] == images
            assert all(one[1] == two[0] for one, two in pairwise(cuts))
            assert all(first % BATCH == 0 for first, last in cuts if first < last)


def test_three_workers_or_seven_give_the_bytes_of_one_and_of_a_plain_forward_pass(tiny_world, store, tmp_path):
    seen = set()
    for workers in (1, 3, 7):  # of four batches
        embedded = slices(tiny_world, store, tmp_path, workers)
        folder = joined(tiny_world.data, store, tmp_path, embedded)
        seen.add(sha256_tree(folder))
    assert len(seen) == 1
    network, spec, _ = load_encoder(tmp_path / "encoder")
    images = Images(tiny_world.data, open_store(tiny_world.store), spec.mode, spec.image_size, 1)
    plain = embed(network, spec, images, np.arange(900)).astype(np.float16)
    found = load_embeddings(folder, tiny_world.data)
    assert np.array_equal(found, plain)
    assert not found.flags.writeable


def test_what_is_missing_in_the_store_is_embedded_once_more_and_kept(tiny_world, store, tmp_path, capsys):
    embedded = slices(tiny_world, store, tmp_path, 3)
    whole = sha256_tree(joined(tiny_world.data, store, tmp_path, embedded))
    capsys.readouterr()
    gone = [read_slice(text) for text in json.loads(embedded)][1]
    (Path(store.uri) / gone.key).unlink()
    assert sha256_tree(joined(tiny_world.data, store, tmp_path, embedded)) == whole
    said = capsys.readouterr().out
    assert f"{gone.key}: not there" in said
    assert said.count('"progress": "embedding"') >= 1
    assert sha256_tree(joined(tiny_world.data, store, tmp_path, embedded)) == whole
    assert capsys.readouterr().out == "", "it was put back"


def test_slices_of_another_encoder_are_not_taken(tiny_world, store, tmp_path):
    embedded = json.loads(slices(tiny_world, store, tmp_path, 2))
    other = [text.replace("embeddings/digits/", "embeddings/digits/f") for text in embedded]
    whole = sha256_tree(joined(tiny_world.data, store, tmp_path, json.dumps(embedded)))
    assert sha256_tree(joined(tiny_world.data, store, tmp_path, json.dumps(other))) == whole
    with pytest.raises(ValueError, match="is no slice of embeddings"):
        joined(tiny_world.data, store, tmp_path, '["s3://elsewhere"]')
