"""The SimCLR training loop: two views per image, a projection head that is dropped afterwards, the NT-Xent loss."""

import json
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from components.common.artifacts import ModelSpec
from components.common.cli import report
from components.common.errors import BadInputError
from components.common.learning.collective import (
    add_up,
    bytes_of_first,
    gathered,
    normalise_together,
    part,
    rank,
    share_weights,
)
from components.common.learning.models import normalise
from components.common.learning.training import (
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
from components.common.storage import Store
from components.pretrain.ntxent import nt_xent, spread
from components.pretrain.settings import PretrainSettings

SHOW_SECONDS = 10  # between lines of progress inside an epoch

Views = Callable[[int], Generator[tuple[Tensor, Tensor], None, None]]
"""Steps done to the batches of all that are left, over epochs: two views, float32 in 0..1, (batch, channels, s, s)."""


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


def train(
    encoder: nn.Module,
    spec: ModelSpec,
    views: Views,
    steps: int,
    settings: PretrainSettings,
    seed: int,
    measure: Callable[[nn.Module], float | None],
    checkpoints: Checkpoints | None,
) -> list[dict[str, float]]:
    """Train `encoder` in place and return one record per epoch: loss, spread, kNN accuracy, learning rate.

    steps: batches per epoch. measure: encoder to kNN accuracy, or None where no labels are known. Raises BadInputError
    on collapse. Resumes at the step where `checkpoints` holds a state of equal settings. Of processes that train
    together, each takes its part of every step, and the first writes checkpoints and progress.
    """
    network = initialise(lambda: Contrastive(encoder, settings.projection), seed)
    share_weights(network)
    normalise_together(network)
    optimizer = adamw(network, settings.weight_decay)
    # steps; records of whole epochs; loss and spread of the one under way
    done = 0
    history = []
    sums = (0.0, 0.0)
    resumed = checkpoints and load_checkpoint(checkpoints.store, checkpoints.key, network, optimizer)
    if resumed:
        done = resumed[0]
        (history, sums) = json.loads(resumed[1])
    total = settings.epochs * steps
    saved = shown = time.monotonic()
    with closing(views(done)) as batches:
        for step, (first, second) in enumerate(batches, done):
            rate = warmup_cosine(
                step, total, round(settings.warmup_epochs * steps), settings.learning_rate * settings.batch_size / 256
            )
            loss, spread_now = take_step(network, spec, first, second, optimizer, rate, settings)
            sums = (sums[0] + loss, sums[1] + spread_now)
            done = step + 1
            inside = (step + 1) % steps
            now = time.monotonic()
            if not inside:
                history.append(
                    end_epoch(network, done // steps, sums[0] / steps, sums[1] / steps, rate, measure, settings)
                )
                progress(done, total, **history[-1])
                sums = (0.0, 0.0)
            elif now - shown >= SHOW_SECONDS:
                progress(done, total, epoch=step // steps + 1, loss=sums[0] / inside)
                shown = now
            if (
                checkpoints
                and rank() == 0
                and done < total
                and (not inside or now - saved >= 60 * settings.checkpoint_minutes)
            ):
                save_checkpoint(
                    checkpoints.store, checkpoints.key, network, optimizer, done, json.dumps([history, sums])
                )
                saved = now
    return history


def progress(done: int, total: int, **figures: float) -> None:
    if rank() == 0:
        report("pretrain", done, total, **figures)


def end_epoch(
    network: nn.Module,
    epoch: int,
    loss: float,
    mean_spread: float,
    rate: float,
    measure: Callable[[nn.Module], float | None],
    settings: PretrainSettings,
) -> dict[str, float]:
    """The record of an epoch, counted from 1; BadInputError where it ended in collapse."""
    accuracy = json.loads(bytes_of_first(lambda: json.dumps(measure(network.encoder.eval())).encode()) or b"null")  # type: ignore[union-attr]
    if not mean_spread >= settings.min_spread:  # a loss that is no number any more has a spread that is none either
        raise BadInputError(
            f"the embeddings collapsed in epoch {epoch}: spread {mean_spread:.3f} is below min_spread "
            f"{settings.min_spread};"
            " lower pretrain.learning_rate, raise pretrain.batch_size, or widen pretrain.augment.crop"
        )
    record = {"epoch": epoch, "loss": loss, "spread": mean_spread, "learning_rate": rate}
    return record | ({} if accuracy is None else {"knn_accuracy": accuracy})


def take_step(
    network: nn.Module,
    spec: ModelSpec,
    first: Tensor,
    second: Tensor,
    optimizer: torch.optim.Optimizer,
    rate: float,
    settings: PretrainSettings,
) -> tuple[float, float]:
    """One step on two views, each (batch, channels, s, s); returns its loss and the spread of its embeddings."""
    network.train()
    set_rate(optimizer, rate)
    both = normalise(torch.cat([first, second]).to(device()), spec)
    with autocast(precision_of(settings.precision)):
        z = network(both)
    z0, z1 = z.float().chunk(2)
    mine = part(settings.batch_size)
    loss = nt_xent(z0, z1, settings.temperature, mine)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    whole = add_up(network, loss)
    optimizer.step()
    return whole, spread(gathered(z0.detach(), mine))
