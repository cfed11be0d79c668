"""A release of the tiny model, and the test images as files named by id."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from components.common.artifacts import TEST
from components.common.data.reader import ShardReader
from components.common.learning.inference import predict_pixels
from components.common.learning.models import load_classifier
from components.common.metrics import softmax
from components.common.storage import open_store
from components.predict.command import main
from components.releases.model import load_release
from tests import tiny
from tests.releases.made import publish_release


class Released(NamedTuple):
    place: str  # of a version
    images: Path
    names: list[str]  # of the files, in their order
    probabilities: np.ndarray  # what torch says of them


@pytest.fixture(scope="session")
def released(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> Released:
    folder = tmp_path_factory.mktemp("released")
    place = publish_release(tiny_world, str(folder / "store"))
    reader = ShardReader(tiny_world.data, open_store(tiny_world.store))
    images = folder / "images"
    images.mkdir()
    for row in tiny_world.rows[TEST]:
        (images / f"{tiny_world.data.column('id')[row]}.png").write_bytes(reader.image_bytes(int(row)))
    names = sorted(path.name for path in images.iterdir())
    how = load_release(place, 1).preprocessing
    pixels = torch.from_numpy(np.stack([how.pixels((images / name).read_bytes()) for name in names]))
    classifier, spec, _ = load_classifier(tiny_world.classifier)
    return Released(place, images, names, softmax(predict_pixels(classifier, spec, pixels), 1.25))


@pytest.fixture
def predict(released: Released) -> Callable[..., int]:
    """Run `gleaner predict` on the release; returns the exit code."""

    def run(*words: object) -> int:
        try:
            main([released.place, *map(str, words)])
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run
