"""Real digits as a released model sees them: clean, and changed in the ways that the watch should notice.

A ResNet-9 of width 8 (64 numbers of an embedding) learns from 4,000 MNIST digits; its temperature is fitted to 1,000
others. References and streams are drawn from the rest, none of them twice in a draw.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch.nn import functional as F

from components.common.artifacts import ModelSpec
from components.common.data.looks import looks
from components.common.learning.models import Classifier, build_encoder
from components.common.metrics import nll, softmax
from tests.bench.drift_looks import Seen
from tests.bench.mnist import fetch, idx

SPEC = ModelSpec("resnet9", 8, "3x3", 28, "L", (0.13,), (0.31,))
TRAINED, HELD, CLEAN, CHANGED = 4000, 1000, 12_000, 4000  # images
STEPS, BATCH = 300, 64


def each(change: Callable[[Image.Image], Image.Image]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: np.stack([np.asarray(change(Image.fromarray(one))) for one in pixels])


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{
        f"rotated {angle} degrees": each(lambda image, angle=angle: image.rotate(angle, Image.Resampling.BILINEAR))  # type: ignore[misc]
        for angle in (5, 10, 20)
    },
    "blurred (0.5 px)": each(lambda image: image.filter(ImageFilter.GaussianBlur(0.5))),
    "darker by 10 %": lambda pixels: (0.9 * pixels).astype(np.uint8),
    "darker by 20 %": lambda pixels: (0.8 * pixels).astype(np.uint8),
}


def digits() -> tuple[Seen, dict[str, Seen]]:
    """The clean pool, and other digits under each of CHANGES."""
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as scratch:
        files = fetch(Path(scratch))
        pixels, labels = idx(files / "train-images-idx3-ubyte"), idx(files / "train-labels-idx1-ubyte")
    order = np.random.default_rng(0).permutation(len(labels))
    trained, held, clean, changed = np.split(order, np.cumsum([TRAINED, HELD, CLEAN]))
    model = learned(pixels[trained], labels[trained])
    temperature = fitted(logits_of(model, pixels[held])[1], labels[held])
    changed = changed[:CHANGED]
    return seen(model, temperature, pixels[clean], labels[clean]), {
        name: seen(model, temperature, change(pixels[changed]), labels[changed]) for name, change in CHANGES.items()
    }


def learned(pixels: np.ndarray, labels: np.ndarray) -> Classifier:
    rng = np.random.default_rng(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Classifier(build_encoder(SPEC), 10).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, STEPS)
        for _ in range(STEPS):
            rows = rng.choice(len(labels), BATCH, replace=False)
            loss = F.cross_entropy(model(normalised(pixels[rows])), torch.from_numpy(labels[rows].astype(np.int64)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def seen(model: Classifier, temperature: float, pixels: np.ndarray, labels: np.ndarray) -> Seen:
    embeddings, logits = logits_of(model, pixels)
    figures = np.array([looks(one[None], 28, 28) for one in pixels])
    return Seen(embeddings, softmax(logits, temperature), labels.astype(np.int64), figures)


@torch.inference_mode()
def logits_of(model: Classifier, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    embeddings, logits = [], []
    for some in np.array_split(pixels, max(1, len(pixels) // 500)):
        features = F.normalize(model.encoder(normalised(some)), dim=1)
        embeddings.append(features.numpy())
        logits.append(model.head_logits(features).numpy())
    return np.concatenate(embeddings), np.concatenate(logits)


def normalised(pixels: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(pixels.astype(np.float32) / 255)[:, None] - SPEC.mean[0]) / SPEC.std[0]


def fitted(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that makes the labels likeliest."""
    return float(min(np.geomspace(0.2, 5, 65), key=lambda t: nll(softmax(logits, t), labels)))
