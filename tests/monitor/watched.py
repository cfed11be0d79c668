"""A real small release that is watched: a model of scikit-learn's digits, its champion, its log, and images for it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from PIL import Image

from components.common import served
from components.common.data.images import png
from components.common.data.splits import TEST, TRAIN, split_of
from components.common.files import sha256_bytes
from components.common.storage import open_store
from components.release.settings import ReleaseSettings
from components.release.stage import run as release
from components.releases.model import load_release
from components.releases.observing import appearance, observation
from tests import tiny

NAME = "digits"
IMAGES = 1200  # of 1,797: those that the model was made of; the others are what it is asked about
DAY = timedelta(days=1)


class Watched(NamedTuple):
    """A store with a champion, a configuration that names both, and images that the model has never seen."""

    store: str
    config: Path
    fresh: list[np.ndarray]  # of the same people and pens


def watched(folder: Path, **monitor: object) -> Watched:
    """Make and release the model, which a third of its images measure. monitor: what the configuration says of the
    watch; people label in the store.
    """
    pixels, names = tiny.small_digits(1797)
    order = np.random.default_rng(0).permutation(len(pixels))
    mine, others = order[:IMAGES], order[IMAGES:]
    world = tiny.build(folder / "world", others=(pixels[mine], names[mine]), split=_split)
    made = tiny.evaluated(world, folder / "evaluated", gates=[])
    release(
        world.classifier, made.calibration, made.evaluation, NAME, world.store, ReleaseSettings(), folder / "release"
    )
    config = folder / "digits.yaml"
    said = {
        "version": 2,
        "name": NAME,
        "source": str(folder / "none"),
        "store": world.store,
        "sample": {"label_access": "store"},
        "monitor": monitor,
    }
    config.write_text(yaml.safe_dump(said), encoding="utf-8")
    return Watched(world.store, config, list(pixels[others]))


def write_images(folder: Path, pixels: Iterable[np.ndarray]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(pixels):
        (folder / f"{number:04d}.png").write_bytes(_file(image))
    return folder


def answer(watched: Watched, pixels: list[np.ndarray], since: datetime, until: datetime) -> None:
    """Have the champion answer, at even steps of a time, and log it where `gleaner serve` does by default."""
    model = load_release(f"{watched.store}/releases/{NAME}", 1)
    files = [_file(image) for image in pixels]
    seen = [model.preprocessing.seen(data) for data in files]
    answers = model.run(np.stack([each.pixels for each in seen]))
    step = (until - since) / len(files)
    rows = [
        {
            "id": sha256_bytes(data),
            "time": since + step * number,
            **observation(model, answers, number),
            **appearance(seen[number]),
        }
        for number, data in enumerate(files)
    ]
    served.write(open_store(f"{watched.store}/log"), NAME, rows, until - step)


def _file(image: np.ndarray) -> bytes:
    return png(Image.fromarray(np.ascontiguousarray(image)))


def _split(image: str) -> str:
    """More images to measure with than usually: a test is of a third of them, and two thirds of the rest is known."""
    return TEST if int(image[8:12], 16) % 3 == 0 and split_of(image) == TRAIN else split_of(image)
