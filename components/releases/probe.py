"""probe.json: pixels that anyone can make again, and what the model answered to them, so that a release can be run and
compared without a data set.
"""

import hashlib
from typing import Any

import numpy as np

from components.releases.model import OnnxModel

IMAGES = 4
TOLERANCE = 1e-4  # greatest difference of a logit; processors add up in different orders


def probe_pixels(shape: tuple[int, int, int], images: int = IMAGES) -> np.ndarray:
    """uint8 (images, *shape): image i is the beginning of SHAKE-256 of `gleaner probe <i>`, for all time."""
    size = int(np.prod(shape))
    data = [hashlib.shake_256(f"gleaner probe {number}".encode()).digest(size) for number in range(images)]
    return np.frombuffer(bytearray(b"".join(data)), np.uint8).reshape(images, *shape)  # torch wants to own it


def recorded(model: OnnxModel) -> dict[str, Any]:
    """probe.json of a model."""
    logits, _ = model.run(probe_pixels(model.shape))
    return {
        "format": 1,
        "pixels": "image i: SHAKE-256 of 'gleaner probe <i>', bytes by channel, row, column",
        "shape": list(model.shape),
        "tolerance": TOLERANCE,
        "logits": logits.tolist(),
    }


def difference(model: OnnxModel, probe: dict[str, Any]) -> str:
    """How a model's answers differ from those that probe.json records, in one sentence; empty where they do not."""
    expected = np.array(probe["logits"])
    if list(model.shape) != probe["shape"] or expected.shape != (len(expected), model.classes):
        return f"the probe is of images {probe['shape']}, the model reads {list(model.shape)}"
    found = model.run(probe_pixels(model.shape, len(expected)))[0]
    greatest = float(np.abs(found - expected).max())
    if greatest <= probe["tolerance"]:  # not a number is not
        return ""
    return (
        f"its answers to the probe differ by {greatest:.2g} from the recorded ones, and {probe['tolerance']} is allowed"
    )
