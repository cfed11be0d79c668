"""Speed of the pieces that ours stands on, each beside the obvious alternative, in one run."""

import time
from collections.abc import Callable

import numpy as np
import torch

from components.common.artifacts import ModelSpec
from components.common.learning.augment import augment
from components.common.learning.models import build_encoder, normalise
from components.common.learning.training import autocast, initialise, precision_of, set_threads
from components.common.learning.vision import torchvision
from components.common.settings import Augment
from components.pretrain.ntxent import nt_xent
from components.pretrain.simclr import Contrastive
from tests.bench.machine import spread

BATCH = 256
RUNS = 5


def main() -> None:
    set_threads(2)
    changes = Augment(flip_horizontal=0, rotate=15)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (BATCH, 3, 64, 64), np.uint8))
    draws = torch.Generator().manual_seed(0)
    ours = rates(lambda: augment(pixels, changes, 32, draws))
    peers = rates(per_image(pixels, changes))
    print("augmentation, 64 to 32 pixels, colour, images/s")
    print(f"  ours, drawn per image on the batch         {spread(ours, digits=0)}")
    print(f"  torchvision.transforms.v2, image by image  {spread(peers, digits=0)}")
    print(f"  ratio of the means                         {np.mean(ours) / np.mean(peers):.1f}\n")
    spec = ModelSpec("resnet9", 16, "3x3", 28, "L", (0.13,), (0.31,))
    for name in ("auto", "float32"):
        print(
            f"SimCLR step, ResNet-9 width 16, 28 pixels, batch {BATCH}, {name:8} images/s  "
            f"{spread(rates(simclr_step(spec, name)), digits=0)}"
        )


def rates(work: Callable[[], object]) -> list[float]:
    """Images per second of RUNS timed calls after one that warms up."""
    work()
    result = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        result.append(BATCH / (time.perf_counter() - start))
    return result


def per_image(pixels: torch.Tensor, changes: Augment) -> Callable[[], object]:
    v2 = torchvision().transforms.v2
    compose = v2.Compose(
        [
            v2.RandomResizedCrop(
                32, scale=(changes.crop, 1), ratio=(1 / changes.aspect, changes.aspect), antialias=True
            ),
            v2.RandomRotation(changes.rotate),
            v2.ColorJitter(changes.brightness, changes.contrast, changes.saturation, changes.hue),
            v2.RandomGrayscale(changes.greyscale),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    return lambda: torch.stack([compose(image) for image in pixels])


def simclr_step(spec: ModelSpec, precision: str) -> Callable[[], object]:
    network = initialise(lambda: Contrastive(build_encoder(spec), 128), 0)
    x = normalise(torch.rand(2 * BATCH, spec.channels, spec.image_size, spec.image_size), spec)

    def step() -> None:
        with autocast(precision_of(precision)):
            z = network(x)
        first, second = z.float().chunk(2)
        nt_xent(first, second, 0.2).backward()

    return step
