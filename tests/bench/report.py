"""Seconds that the report of 10,000 test images takes: the notebook run by papermill, and the page made of it.

The images are MNIST's digits, turned by a few degrees each so that there are enough; the model is a ResNet-9 of random
weights with a fitted head. Wall time, and CPU time of all processes, since cores may be shared.
"""

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from components.common.artifacts import ModelSpec
from components.ingest.example import mnist
from tests import tiny
from tests.bench.machine import spread
from tests.evaluate import told
from tests.evaluate.test_report import MOST, written

RUNS = 3
IMAGES = 13_200
LEAST = 10_000  # of them test images
SPEC = ModelSpec("resnet9", 16, "3x3", 28, "L", (0.13,), (0.31,))
POINTS = 2000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as name:
        folder = Path(name)
        world = tiny.build(folder / "world", others=digits(), spec=SPEC, split=split)
        images = len(world.rows["test"])
        assert images >= LEAST
        evaluation = tiny.evaluated(world, folder, map_points=0).evaluation
        wall, busy = [], []
        for run in range(RUNS):
            copy = told.complete(evaluation, folder / f"run-{run}")
            begun, used = time.perf_counter(), cpu()
            report = written(world, copy, POINTS)
            wall.append(time.perf_counter() - begun)
            busy.append(cpu() - used)
        size = report.stat().st_size
        assert size < MOST
        print(f"report of {images:,} test images, wall {spread(wall, unit=' s')}", flush=True)
        print(f"report of {images:,} test images, CPU  {spread(busy, unit=' s')}; {size / 1e6:.1f} MB", flush=True)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, 28, 28), uint8, no two alike, and class names."""
    pixels, names = mnist()
    draws = np.random.default_rng(0)
    turned = [
        np.asarray(Image.fromarray(pixels[k % len(pixels)]).rotate(draws.uniform(-25, 25), Image.Resampling.BILINEAR))
        for k in range(IMAGES)
    ]
    kept = np.unique(np.stack(turned), axis=0, return_index=True)[1]
    return np.stack(turned)[kept], np.resize(names.astype(str), IMAGES)[kept]


def split(image: str) -> str:
    """Ten of thirteen images are for the test."""
    return ("train", "train", "validation" if int(image[8], 16) % 2 else "calibration", *["test"] * 10)[
        int(image[:8], 16) % 13
    ]


def cpu() -> float:
    """Seconds of all processes of this bench that have ended, and of this one."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
