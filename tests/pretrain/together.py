"""What each of several gloo processes computes of one batch, and what one process computes of all of it."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from components.common.artifacts import ModelSpec, load_dataset
from components.common.data.reader import ShardReader
from components.common.learning.augment import PartDraws, augment
from components.common.learning.collective import (
    GlobalBatchNorm2d,
    add_up,
    bytes_of_first,
    gathered,
    part,
    rank,
    share_weights,
)
from components.common.learning.models import build_encoder
from components.common.learning.training import initialise, load_checkpoint
from components.common.settings import Augment
from components.common.storage import FolderStore
from components.pretrain.ntxent import nt_xent, spread
from components.pretrain.settings import PretrainSettings
from components.pretrain.simclr import Checkpoints, train

BATCH = 11  # rows: no number of processes divides it
SPEC = ModelSpec("resnet9", 4, "3x3", 8, "L", (0.3,), (0.35,))
EVERYTHING = Augment(crop=0.5, flip_vertical=0.5, rotate=30, blur=0.5, cutout=0.3)
SETTINGS = PretrainSettings(
    architecture="resnet9",
    width=4,
    image_size=8,
    batch_size=BATCH,
    epochs=3,
    min_spread=0,
    augment=EVERYTHING,
    precision="float32",
    learning_rate=1e-2,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def views(done: int) -> Generator[tuple[Tensor, Tensor], None, None]:
    mine = part(BATCH)
    for step in range(done, 3 * 2):
        pixels = (random(2, BATCH, 1, 8, 8, seed=step).sigmoid())[:, mine.start : mine.stop]
        yield pixels[0], pixels[1]


def work(results: Path, store: FolderStore) -> None:
    """Everything, in this process: saved in a NumPy archive named by its rank."""
    torch.set_num_threads(1)
    mine = part(BATCH)
    here = slice(mine.start, mine.stop)
    saved: dict[str, Any] = {"start": mine.start, "stop": mine.stop}

    z = random(2, BATCH, 5)[:, here].clone().requires_grad_()
    saved["loss_share"] = loss = nt_xent(z[0], z[1], 0.3, mine)
    loss.backward()
    saved["loss_gradient"] = z.grad
    saved["spread"] = torch.tensor(spread(gathered(z[0].detach(), mine)))

    norm = initialise(lambda: nn.BatchNorm2d(3), 0)
    if dist.is_initialized():
        norm.__class__ = GlobalBatchNorm2d
    x = (random(BATCH, 3, 4, 4, seed=1) * 3 + 100)[here].clone().requires_grad_()
    y = norm(x)
    share = (y * random(BATCH, 3, 4, 4, seed=2)[here]).square().sum()
    share.backward()
    saved |= {
        "norm": y,
        "norm_gradient": x.grad,
        "norm_sum": torch.tensor(add_up(norm, share)),
        "norm_weight": norm.weight.grad,
        "norm_bias": norm.bias.grad,
        "norm_mean": norm.running_mean,
        "norm_var": norm.running_var,
    }

    pixels = (random(BATCH, 3, 9, 9, seed=3).sigmoid() * 255).byte()
    saved["changed"] = augment(pixels[here], EVERYTHING, 8, PartDraws(torch.Generator().manual_seed(4), *mine))

    network = initialise(lambda: build_encoder(SPEC), rank())  # different until shared
    share_weights(network)
    encoder = initialise(lambda: build_encoder(SPEC), 0)
    saved["shared"] = torch.tensor(
        all(torch.equal(a, b) for a, b in zip(network.parameters(), encoder.parameters(), strict=True))
    )
    history = train(encoder, SPEC, views, 2, SETTINGS, 0, lambda _: 0.25 + rank(), Checkpoints(store, "c"))
    saved |= {f"trained.{name}": tensor for name, tensor in encoder.state_dict().items()}
    saved["history"] = torch.tensor(
        [[record[name] for name in ("loss", "spread", "knn_accuracy")] for record in history]
    )
    saved["told"] = np.frombuffer(bytes_of_first(lambda: b"first" if rank() == 0 else b"other") or b"", np.uint8)
    saved["nothing"] = torch.tensor(bytes_of_first(lambda: None) is None)
    optimizer = torch.optim.AdamW(network.parameters())
    saved["no_checkpoint"] = torch.tensor(load_checkpoint(store, "absent", network, optimizer) is None)
    results.mkdir(exist_ok=True)
    plain = {name: value.detach().numpy() if isinstance(value, Tensor) else value for name, value in saved.items()}
    np.savez(results / f"{rank()}.npz", **plain)  # type: ignore[arg-type]


def of_dali(dataset: Path, store: FolderStore, results: Path) -> None:
    from components.pretrain.dali import dali_views

    loaded = list(dali_views(ShardReader(load_dataset(dataset), store), "L", np.arange(50), SETTINGS, 0, 0, 1))
    np.savez(
        results / f"dali-{rank()}.npz", first=np.concatenate([first.numpy() for first, _ in loaded]), steps=len(loaded)
    )


def process(number: int, count: int, folder: Path, dataset: Path, store: str) -> None:
    """One of `count` processes that meet in `folder`."""
    meeting = dist.FileStore(str(folder / f"meeting-{count}"), count)
    dist.init_process_group("gloo", store=meeting, rank=number, world_size=count)
    work(folder / str(count), FolderStore(folder / f"store-{count}"))
    if count == 2:
        of_dali(dataset, FolderStore(Path(store)), folder / "2")
    dist.barrier()
    dist.destroy_process_group()
