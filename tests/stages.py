"""The learning stages on the tiny world, with settings under which each takes a second."""

from pathlib import Path
from typing import Any

import torch

from components.common.artifacts import save_about
from components.common.cli import Metadata
from components.common.learning.models import build_encoder, save_weights
from components.common.settings import Augment
from components.pretrain.settings import PretrainSettings
from components.pretrain.stage import run as run_pretrain
from components.pseudolabel.settings import PseudolabelSettings
from components.pseudolabel.stage import run as run_pseudolabel
from components.sample.settings import SampleSettings
from components.sample.stage import run as run_sample
from components.warmup.settings import WarmupSettings
from components.warmup.stage import run as run_warmup
from tests import tiny

OFF = Augment(
    crop=1,
    aspect=1,
    flip_horizontal=0,
    flip_vertical=0,
    rotate=0,
    brightness=0,
    contrast=0,
    saturation=0,
    hue=0,
    greyscale=0,
    blur=0,
    cutout=0,
)
DIGITS = Augment(crop=0.7, flip_horizontal=0)
SMALL: dict[str, Any] = {"augment": DIGITS, "precision": "float32"}


def alone(**changes: Any) -> Augment:
    """Every change of an image switched off but for these."""
    return OFF.model_copy(update=changes)


def encoder(folder: Path) -> Path:
    """An encoder artifact with the random weights that the tiny world's embeddings come from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_encoder(tiny.SPEC)
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder / "encoder.safetensors", network)
    save_about(folder, "encoder", tiny.SPEC)
    return folder


def pretrain(world: tiny.World, folder: Path, seed: int = 0, **changes: Any) -> Metadata:
    """Writes `encoder` and `metrics` into the folder."""
    small = {
        "architecture": "resnet9",
        "width": 4,
        "image_size": 8,
        "epochs": 2,
        "batch_size": 64,
        "min_spread": 0.0,
        "loader": "torch",
    }
    settings = PretrainSettings.model_validate({**SMALL, **small, **changes})
    return run_pretrain(world.dataset, world.store, seed, 1, settings, folder / "encoder", folder / "metrics")


def sample(world: tiny.World, folder: Path, seed: int = 0, **changes: Any) -> Metadata:
    """Writes `embeddings`, `candidates`, `labels` and `sheet.html` into the folder."""
    settings = SampleSettings.model_validate(
        {"train_budget": 20, "validation_budget": 8, "calibration_budget": 6, **changes}
    )
    return run_sample(
        world.dataset,
        encoder(folder.parent / "encoder"),
        "digits",
        world.store,
        seed,
        1,
        settings,
        folder / "embeddings",
        folder / "candidates",
        folder / "labels",
        folder / "sheet.html",
    )


def warmup(world: tiny.World, folder: Path, seed: int = 0, **changes: Any) -> Metadata:
    """Writes `warm` and `metrics` into the folder."""
    settings = WarmupSettings.model_validate({**SMALL, "head_steps": 30, "steps": 10, **changes})
    return run_warmup(
        world.dataset,
        encoder(folder.parent / "encoder"),
        world.embeddings,
        world.labels,
        world.store,
        seed,
        1,
        settings,
        folder / "warm",
        folder / "metrics",
    )


def pseudolabel(world: tiny.World, folder: Path, seed: int = 0, **changes: Any) -> Metadata:
    """Writes `classifier` and `metrics` into the folder."""
    settings = PseudolabelSettings.model_validate({**SMALL, "steps": 10, "batch_size": 16, **changes})
    return run_pseudolabel(
        world.dataset,
        world.warm,
        world.labels,
        world.store,
        seed,
        1,
        settings,
        folder / "classifier",
        folder / "metrics",
    )
