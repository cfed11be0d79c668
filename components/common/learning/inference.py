"""Forward passes in float32, shared by calibration, evaluation and prediction."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.common.artifacts import ModelSpec
from components.common.learning.loading import Images
from components.common.learning.models import normalise
from components.common.learning.training import device

BATCH = 256  # images per forward pass, where no setting says


@torch.inference_mode()
def predict_pixels(model: nn.Module, spec: ModelSpec, pixels: Tensor) -> np.ndarray:
    """Run the model on uint8 pixels (n, channels, s, s); returns float32 (n, …)."""
    model = model.to(device(), memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return model(normalise(pixels.to(device()), spec)).float().cpu().numpy()


def over_rows(
    ask: Sequence[Callable[[Tensor], np.ndarray]], images: Images, rows: np.ndarray, batch_size: int
) -> list[np.ndarray]:
    """What each of several functions makes of the pixels of these rows, uint8 (n, channels, s, s): an array of as many
    rows each, in their order.

    Rows are read shard by shard, since not all shards may be held at once, and decoded once for all functions.
    """
    if not len(rows):
        raise ValueError("no rows to compute on")
    order = images.reader.by_place(rows)
    results: list[np.ndarray] = []
    for start in range(0, len(rows), batch_size):
        some = order[start : start + batch_size]
        pixels = images.batch(rows[some])
        found = [each(pixels) for each in ask]
        if not results:  # the only copy: of a million images it is gigabytes
            results = [np.empty((len(rows), *each.shape[1:]), each.dtype) for each in found]
        for result, each in zip(results, found, strict=True):
            result[some] = each
    return results


def predict_rows(model: nn.Module, spec: ModelSpec, images: Images, rows: np.ndarray, batch_size: int) -> np.ndarray:
    """Run the model on these rows; returns results in their order."""
    return over_rows([partial(predict_pixels, model, spec)], images, rows, batch_size)[0]


def logits(model: nn.Module, spec: ModelSpec, images: Images, rows: np.ndarray, batch_size: int) -> np.ndarray:
    """Logits of the rows, float32 (n, classes)."""
    return predict_rows(model, spec, images, rows, batch_size)


def embed(encoder: nn.Module, spec: ModelSpec, images: Images, rows: np.ndarray, batch_size: int = BATCH) -> np.ndarray:
    """Unit-length features of the rows, float32 (n, features)."""
    return F.normalize(torch.from_numpy(predict_rows(encoder, spec, images, rows, batch_size)), dim=1).numpy()
