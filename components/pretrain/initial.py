"""Initial weights of the encoder: random, torchvision's, or those of a file."""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from components.common.artifacts import Dataset, ModelSpec
from components.common.data.splits import unlabelled_pool
from components.common.errors import BadInputError
from components.common.learning.loading import Images
from components.common.learning.models import build_encoder, load_weights
from components.common.learning.training import initialise
from components.common.learning.vision import torchvision
from components.common.seeding import seeded
from components.common.storage import open_store
from components.pretrain.settings import PretrainSettings

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
# mean and std that torchvision's weights were trained with
IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
GREY: Statistics = ((0.449,), (0.226,))  # their means over the channels
SAMPLE = 4096  # images that the mean and the deviation of a new encoder are taken from
AT_ONCE = 64  # of these


def initial_encoder(
    dataset: Dataset, images: Images, settings: PretrainSettings, seed: int
) -> tuple[nn.Module, ModelSpec]:
    """The encoder before training, and how to feed it."""
    named = settings.init != "random" and not settings.init.endswith(".safetensors")
    given = (GREY if dataset.mode == "L" else IMAGENET) if named else statistics_beside(settings.init, dataset.mode)
    mean, std = given or channel_statistics(dataset, images, seed)
    spec = ModelSpec(settings.architecture, settings.width, settings.stem, settings.image_size, dataset.mode, mean, std)
    encoder = initialise(lambda: build_encoder(spec), seed)
    if named:
        load_torchvision(encoder, spec, settings.init)
    elif settings.init != "random":
        load_file(encoder, settings.init)
    return encoder, spec


def channel_statistics(dataset: Dataset, images: Images, seed: int) -> Statistics:
    """Mean and standard deviation per channel, of pixels in 0..1, over a sample of the train split; rounded, so that
    they print.
    """
    pool = unlabelled_pool(dataset)
    rows = np.sort(seeded(seed, "statistics")[0].choice(pool, min(SAMPLE, len(pool)), replace=False))
    levels = np.arange(256)
    counts = np.zeros((len(images.mode), 256), np.int64)  # pixels of each channel and level: exact sums in few bytes
    for start in range(0, len(rows), AT_ONCE):
        pixels = images.batch(rows[start : start + AT_ONCE]).numpy()
        counts += np.stack([np.bincount(pixels[:, channel].ravel(), minlength=256) for channel in range(len(counts))])
    number = counts.sum(axis=1)
    mean = counts @ levels / number
    std = np.sqrt((counts * np.square(levels - mean[:, None])).sum(axis=1) / (number - 1))
    return (
        tuple(round(float(value) / 255, 6) for value in mean),
        tuple(round(max(float(value) / 255, 1e-3), 6) for value in std),
    )


def statistics_beside(init: str, mode: str) -> Statistics | None:
    """What an encoder's file was trained with, where its encoder.json lies beside it: weights fit the pixels they have
    learned from.
    """
    folder, _, name = init.rpartition("/")
    try:
        model = (
            json.loads(open_store(folder or ".").read("encoder.json"))["model"]
            if name.endswith(".safetensors")
            else None
        )
    except KeyError:
        return None
    return (tuple(model["mean"]), tuple(model["std"])) if model and model["mode"] == mode else None


def load_torchvision(encoder: nn.Module, spec: ModelSpec, name: str) -> None:
    """Load weights by torchvision's name. A 3x3 stem starts from the middle of the 7x7 kernels, a grey one from their
    sum.
    """
    if spec.architecture == "resnet9":
        raise BadInputError(
            f"pretrain.init: torchvision has no {name!r} for resnet9; expected init: random, or architecture: resnet18"
        )
    full = f"{spec.architecture.replace('resnet', 'ResNet')}_Weights.{name}"
    try:
        weights = torchvision().models.get_weight(full)
    except (AttributeError, ValueError, KeyError):
        wanted = "expected random, IMAGENET1K_V1, or a .safetensors file"
        raise BadInputError(f"pretrain.init: torchvision has no weights {full!r}; {wanted}") from None
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except OSError as error:
        raise BadInputError(
            f"pretrain.init: cannot fetch {full} from {weights.url}: {error}; give a .safetensors file instead"
        ) from None
    adapt(state, spec)
    encoder.load_state_dict(state)


def adapt(state: dict[str, torch.Tensor], spec: ModelSpec) -> None:
    """Fit ImageNet weights to this encoder, in place: no class head, and a stem of the spec's kernel and channels."""
    del state["fc.weight"], state["fc.bias"]
    if spec.stem == "3x3":
        state["conv1.weight"] = state["conv1.weight"][:, :, 2:5, 2:5].contiguous()
    if spec.channels == 1:
        state["conv1.weight"] = state["conv1.weight"].sum(dim=1, keepdim=True)


def load_file(encoder: nn.Module, uri: str) -> None:
    folder, _, name = uri.rpartition("/")
    try:
        data = open_store(folder or ".").read(name)
    except KeyError:
        raise BadInputError(
            f"pretrain.init: {uri} does not exist; expected an encoder.safetensors that `pretrain` wrote"
        ) from None
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / name
        path.write_bytes(data)
        load_weights(path, encoder, called=f"pretrain.init: {uri}")
