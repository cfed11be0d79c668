"""SimCLR's training loop: two views of each image, a projection head that is dropped afterwards, NT-Xent."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from components.common.artifacts import ModelSpec
from components.common.cli import report
from components.common.errors import BadInputError
from components.common.models import normalise
from components.common.storage import Store
from components.common.training import (
    adamw,
    autocast,
    device,
    initialise,
    load_checkpoint,
    precision_of,
    save_checkpoint,
    set_rate,
    warmup_cosine,
)
from components.pretrain.ntxent import nt_xent, spread
from components.pretrain.settings import PretrainSettings

Views = Callable[[int], Iterator[tuple[Tensor, Tensor]]]
"""Epoch to batches of two views, float32 in 0..1, (batch, channels, s, s)."""


@dataclass(frozen=True)
class Checkpoints:
    store: Store
    key: str


class Contrastive(nn.Module):
    def __init__(self, encoder: nn.Module, projection: int) -> None:
        super().__init__()
        width = int(encoder.features)  # type: ignore[arg-type]
        self.encoder = encoder
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, projection))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x))


def train(encoder: nn.Module, spec: ModelSpec, views: Views, steps: int, settings: PretrainSettings, seed: int,
          measure: Callable[[nn.Module], float | None], checkpoints: Checkpoints | None) -> list[dict[str, float]]:
    """Train `encoder` in place and return one record per epoch: loss, spread, kNN accuracy, learning rate.

    steps: batches per epoch. measure: encoder to kNN accuracy, or None where no labels are known. Raises BadInputError on
    collapse. Resumes where `checkpoints` holds a state of equal settings.
    """
    network = initialise(lambda: Contrastive(encoder, settings.projection), seed)
    optimizer = adamw(network, settings.weight_decay)
    history: list[dict[str, float]] = []
    first = 0
    resumed = checkpoints and load_checkpoint(checkpoints.store, checkpoints.key, network, optimizer)
    if resumed:
        first, history = resumed[0], json.loads(resumed[1])
    for epoch in range(first, settings.epochs):
        record = run_epoch(network, spec, views(epoch), optimizer, epoch, steps, settings)
        accuracy = measure(network.encoder.eval())  # type: ignore[union-attr]
        history.append({"epoch": epoch + 1, **record} | ({} if accuracy is None else {"knn_accuracy": accuracy}))
        report("pretrain", epoch + 1, settings.epochs, **{k: v for k, v in history[-1].items() if k != "epoch"})
        if not record["spread"] >= settings.min_spread:  # a loss that is no number any more has a spread that is none either
            raise BadInputError(
                f"the embeddings collapsed in epoch {epoch + 1}: spread {record['spread']:.3f} is below min_spread {settings.min_spread};"
                " lower pretrain.learning_rate, raise pretrain.batch_size, or widen pretrain.augment.crop"
            )
        if checkpoints and epoch + 1 < settings.epochs:
            save_checkpoint(checkpoints.store, checkpoints.key, network, optimizer, epoch + 1, json.dumps(history))
    return history


def run_epoch(network: nn.Module, spec: ModelSpec, batches: Iterator[tuple[Tensor, Tensor]], optimizer: torch.optim.Optimizer,
              epoch: int, steps: int, settings: PretrainSettings) -> dict[str, float]:
    network.train()
    precision = precision_of(settings.precision)
    peak = settings.learning_rate * settings.batch_size / 256
    losses: list[float] = []
    spreads: list[float] = []
    for at, (first, second) in enumerate(batches):
        step = epoch * steps + at
        rate = warmup_cosine(step, settings.epochs * steps, round(settings.warmup_epochs * steps), peak)
        set_rate(optimizer, rate)
        both = normalise(torch.cat([first, second]).to(device()), spec)
        with autocast(precision):
            z = network(both)
        z0, z1 = z.float().chunk(2)
        loss = nt_xent(z0, z1, settings.temperature)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        spreads.append(spread(z0.detach()))
    return {"loss": sum(losses) / len(losses), "spread": sum(spreads) / len(spreads), "learning_rate": rate}
