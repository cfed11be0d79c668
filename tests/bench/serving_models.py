"""Releases whose weights are random, for the speed of answers; and an image for each."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from components.common.artifacts import ModelSpec
from components.common.files import json_text
from components.common.learning.models import Classifier, build_encoder
from components.common.learning.onnx_file import export
from components.common.storage import open_store
from components.releases import preprocessing
from components.releases.bundle import describe, publish
from tests.natural import patches
from tests.releases.made import THRESHOLDS

CLASSES = [str(number) for number in range(10)]
MODELS = {
    "resnet9": ModelSpec("resnet9", 16, "3x3", 28, "L", (0.13,), (0.31,)),
    "resnet18": ModelSpec("resnet18", 64, "7x7", 224, "RGB", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def classifier(architecture: str) -> Classifier:
    torch.manual_seed(0)
    return Classifier(build_encoder(MODELS[architecture]), len(CLASSES)).eval()


def release(architecture: str, store: str) -> str:
    """Publish one; returns its place."""
    spec = MODELS[architecture]
    files = {
        "model.onnx": export(classifier(architecture), spec),
        "preprocessing.json": json_text(
            preprocessing.describe(spec.mode, spec.image_size, spec.mean, spec.std)
        ).encode(),
        "calibration.json": json_text({"temperature": 1.0, "thresholds": THRESHOLDS}).encode(),
    }
    about = {"model": architecture, "classes": CLASSES, "temperature": 1.0, "digests": {}}
    return f"{store}/{publish(open_store(store), describe(files, about), files)}"


def image(architecture: str, folder: Path) -> Path:
    """A PNG of 28 px as of a digit, a JPEG of 320 px as of a camera."""
    if architecture == "resnet9":
        path = folder / "digit.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)).save(path)
    else:
        path = folder / "photo.jpg"
        patches(320, 320)[0].save(path, quality=90)
    return path
