"""The networks: an encoder (ResNet-9 or torchvision's ResNets), and a classifier on its normalised features."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from components.common.artifacts import ModelSpec, load_about
from components.common.errors import BadInputError
from components.common.files import new_file
from components.common.learning.vision import torchvision


def conv(inputs: int, outputs: int, pool: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
    return nn.Sequential(*layers, nn.MaxPool2d(2)) if pool else nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(conv(width, width), conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class ResNet9(nn.Module):
    """Nine layers for small images (after David Page's DAWNBench entry, 2018): (batch, channels, s, s) to (batch, 8
    width).
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.features = 8 * width
        self.layers = nn.Sequential(
            conv(channels, width),
            conv(width, 2 * width, pool=True),
            Residual(2 * width),
            conv(2 * width, 4 * width, pool=True),
            conv(4 * width, 8 * width, pool=True),
            Residual(8 * width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).amax(dim=(2, 3))


def build_encoder(spec: ModelSpec) -> nn.Module:
    """An encoder with random weights; its `features` is the width of what it returns, (batch, features)."""
    if spec.architecture == "resnet9":
        return ResNet9(spec.channels, spec.width)
    network = getattr(torchvision().models, spec.architecture)(weights=None)
    network.features = network.fc.in_features
    network.fc = nn.Identity()
    if spec.stem == "3x3":
        network.conv1 = nn.Conv2d(spec.channels, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif spec.channels != 3:
        network.conv1 = nn.Conv2d(spec.channels, 64, 7, stride=2, padding=3, bias=False)
    return network


class Classifier(nn.Module):
    """A linear head on the direction of the features: with few labels, their length carries more noise than class."""

    def __init__(self, encoder: nn.Module, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(int(encoder.features), classes)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, classes) of normalised pixels (batch, channels, s, s)."""
        return self.head_logits(F.normalize(self.encoder(x).float(), dim=1))

    def head_logits(self, embeddings: Tensor) -> Tensor:
        """Logits of unit-length embeddings (batch, features)."""
        return self.head(embeddings * embeddings.shape[1] ** 0.5)


def save_weights(path: Path, module: nn.Module) -> None:
    save_tensors(path, {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()})


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    with new_file(path) as temporary:
        save_file(tensors, temporary)


def load_weights(path: Path, module: nn.Module, called: str = "") -> None:
    """Raises BadInputError where the file is not of this network; `called`: what its user calls the file, if not by its
    path.
    """
    try:
        module.load_state_dict(load_file(path))
    except Exception as error:
        lines = str(error).splitlines()  # torch begins with a heading, and what differs comes after it
        reason = lines[min(1, len(lines) - 1)].strip()[:200]
        wanted = "expected the safetensors file written with it"
        raise BadInputError(
            f"{called or path}: these are not the weights of this network ({reason}); {wanted}"
        ) from None


def load_encoder(folder: Path) -> tuple[nn.Module, ModelSpec, dict[str, Any]]:
    """The encoder in evaluation mode, how it was built, and encoder.json."""
    spec, about = load_about(folder, "encoder")
    encoder = build_encoder(spec)
    load_weights(folder / "encoder.safetensors", encoder)
    return encoder.eval(), spec, about


def load_classifier(folder: Path) -> tuple[Classifier, ModelSpec, dict[str, Any]]:
    """The classifier in evaluation mode, how it was built, and classifier.json."""
    spec, about = load_about(folder, "classifier")
    classifier = Classifier(build_encoder(spec), len(about["classes"]))
    load_weights(folder / "classifier.safetensors", classifier)
    return classifier.eval(), spec, about


def checkpoint_file(step: int) -> str:
    """Name, in a classifier's folder, of its weights after so many steps."""
    return f"checkpoint-{step}.safetensors"


def load_checkpoints(folder: Path) -> list[Classifier]:
    """The classifier at earlier steps of its training, in evaluation mode; none where none were kept."""
    spec, about = load_about(folder, "classifier")
    found = []
    for step in about.get("checkpoints", []):
        classifier = Classifier(build_encoder(spec), len(about["classes"]))
        load_weights(folder / checkpoint_file(step), classifier)
        found.append(classifier.eval())
    return found


def normalise(pixels: Tensor, spec: ModelSpec) -> Tensor:
    """Pixels, uint8 or float in 0..1, (batch, channels, s, s), to what a network of this spec reads."""
    x = pixels.float().div(255) if pixels.dtype == torch.uint8 else pixels
    shape = (1, -1, 1, 1)
    mean = torch.tensor(spec.mean, device=x.device).view(shape)
    std = torch.tensor(spec.std, device=x.device).view(shape)
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)
