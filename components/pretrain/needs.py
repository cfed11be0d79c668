"""The memory that pretraining needs with its settings."""

import numpy as np

from components.common import memory
from components.common.artifacts import Dataset, ModelSpec
from components.common.learning.collective import world
from components.common.learning.device import device
from components.common.learning.footprint import Count, count, shape_of, training
from components.common.learning.loading import kept_bytes, load_size
from components.common.learning.models import build_encoder
from components.common.learning.training import precision_of
from components.common.memory import Need
from components.pretrain.settings import PretrainSettings
from components.pretrain.simclr import Contrastive

AHEAD = 2  # batches that are ready before they are used (`ahead`)
# DALI's buffers for two views, in bytes per byte of these as float32: four operators that hand on bytes, three that
# hand on floats.
DALI = 4


def check_memory(data: Dataset, pool: np.ndarray, settings: PretrainSettings) -> None:
    """Say beforehand where these settings do not fit the memory of this machine or pod (`memory.check`).

    pool: rows of the train split. settings: with the loader that is used.
    """
    levers = [f"pretrain.{name} ({getattr(settings, name)})" for name in ("batch_size", "image_size")]
    whole = settings.loader == "dali" and device().type == "cpu"
    other = "take pretrain.loader: torch, which does not decode the pictures of a whole batch at once" if whole else ""
    memory.check("pretrain", lambda: needed(data, pool, settings), levers, other)


def needed(data: Dataset, pool: np.ndarray, settings: PretrainSettings) -> Need:
    """Bytes of this process: what it holds already, network and step, views, pictures."""
    there = memory.held()
    if not settings.epochs:
        return Need(there, there)
    channels = len(data.mode)
    rows = -(-settings.batch_size // world())
    views = 2 * rows * channels * settings.image_size**2 * 4
    step = training(counted(data.mode, rows, settings))
    sure = there + step.sure
    likely = there + step.likely
    if settings.loader == "torch":
        larger = rows * channels * load_size(settings.image_size) ** 2 * 4  # the batch as float32, before its crops
        kept = kept_bytes(len(pool), data, data.mode, load_size(settings.image_size))
        return Need(sure + views, likely + (1 + AHEAD) * views + larger + kept)
    if device().type != "cpu":  # DALI holds pictures and views where it makes them
        return Need(sure, likely)
    pictures = decoded_bytes(data, pool, settings)
    return Need(sure + views + pictures, likely + (1 + AHEAD + DALI) * views + pictures)


def counted(mode: str, rows: int, settings: PretrainSettings) -> Count:
    """Bytes of a step on two views of so many images."""
    spec = ModelSpec(settings.architecture, settings.width, settings.stem, settings.image_size, mode, (0.0,), (1.0,))
    precision = precision_of(settings.precision)
    return count(lambda: Contrastive(build_encoder(spec), settings.projection), shape_of(spec, 2 * rows), precision)


def decoded_bytes(data: Dataset, pool: np.ndarray, settings: PretrainSettings) -> int:
    """Bytes of a mean batch as DALI decodes it: the centre squares at full size."""
    side = np.minimum(data.column("width")[pool], data.column("height")[pool]).astype(np.float64)
    return int(np.square(side).mean() * len(data.mode) * -(-settings.batch_size // world()))
