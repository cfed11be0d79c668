"""Memory that networks take, counted on torch's `meta` device: shapes without storage, so that counting takes none."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from components.common import memory
from components.common.artifacts import ModelSpec
from components.common.learning.device import device
from components.common.learning.models import build_encoder
from components.common.memory import Need

# Bytes beside what is counted, while a network trains on a CPU: compiled kernels, buffers of the threads, and what the
# allocator cannot reuse. Measured: 117 to 240 MiB over ResNets, sizes and precisions, less the two terms of `training`.
BESIDE = 150 << 20

Shape = tuple[int, int, int, int]  # batch, channels, height, width


class Count(NamedTuple):
    """Bytes of a network: its weights, and what the backward pass of one batch needs of the forward pass."""

    weights: int
    saved: int  # the batch included
    largest: int  # of what is saved, the largest tensor


def count(build: Callable[[], nn.Module], shape: Shape, precision: torch.dtype = torch.float32) -> Count:
    """Count the bytes of a training step on a batch of this shape; weights are float32 whatever the precision."""
    with torch.device("meta"):
        network = build().train()
        x = torch.empty(shape, dtype=precision)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    network.to(precision)
    own = {tensor.untyped_storage()._cdata for tensor in network.state_dict().values()}
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            saved[storage._cdata] = storage  # kept, so that no later one gets its number
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(x)
    sizes = [storage.nbytes() for storage in saved.values()]
    return Count(weights, sum(sizes), max(sizes, default=0))


def training(counted: Count, copies: int = 4) -> Need:
    """What training with AdamW adds in this machine's memory; nothing where a GPU computes.

    copies: of the weights, that are not there yet: themselves, their gradients and AdamW's two moments. The estimate
    adds what comes and goes: the weights as the kernels want them, and the gradient of the largest tensor.
    """
    if device().type != "cpu":
        return Need(0, 0)
    sure = copies * counted.weights + counted.saved
    return Need(sure, sure + counted.weights + counted.largest + BESIDE)


@torch.inference_mode()
def inference(build: Callable[[], nn.Module], shape: Shape) -> Need:
    """What a forward pass in float32 adds in this machine's memory: the batch, and input and output of the layer where
    both are largest.
    """
    if device().type != "cpu":
        return Need(0, 0)
    with torch.device("meta"):
        network = build().eval()
        x = torch.empty(shape)
    most = 0

    def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal most
        storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in (*inputs, output)}
        most = max(most, sum(storage.nbytes() for storage in storages.values()))

    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(look)
    network(x)
    return Need(x.nbytes + most, x.nbytes + most + BESIDE)


def shape_of(spec: ModelSpec, images: int) -> Shape:
    return images, spec.channels, spec.image_size, spec.image_size


def check_inference(stage: str, spec: ModelSpec, images: int, lever: str = "") -> None:
    """Say beforehand where the forward passes of a stage do not fit (`memory.check`).

    images: of one pass; lever: the setting of that number, if there is one.
    """
    settings = [f"{stage}.{lever} ({images})"] if lever else []
    memory.check(
        stage,
        lambda: added(memory.held(), inference(lambda: build_encoder(spec), shape_of(spec, images))),
        [*settings, f"pretrain.image_size ({spec.image_size})"],
    )


def added(there: int, *needs: Need) -> Need:
    """Bytes that are there already, and what each of the needs adds."""
    return Need(there + sum(need.sure for need in needs), there + sum(need.likely for need in needs))


def either(*needs: Need) -> Need:
    """Needs of which one comes after the other: the larger."""
    return Need(max(need.sure for need in needs), max(need.likely for need in needs))
