"""Shared by training loops: precision, threads, the learning-rate schedule, averaged weights, checkpoints."""

import math
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import deepcopy
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from components.common.learning.collective import bytes_of_first
from components.common.learning.device import device
from components.common.storage import Store


def set_threads(threads: int) -> None:
    """Fix the number of CPU threads; results repeat to the bit for one number of threads. On a GPU float32 is float32:
    cuDNN would round what convolutions read to 10 bits (TF32), and calibrate another model than the one that is served.
    """
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False


def precision_of(choice: str) -> torch.dtype:
    """`auto` computes in bfloat16 where the processor does, else in float32."""
    if choice == "float32":
        return torch.float32
    if choice == "bfloat16":
        return torch.bfloat16
    fast = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def precision_name(choice: str) -> str:
    """Name of the precision that `precision_of` chooses on this machine, to be recorded with results."""
    return str(precision_of(choice)).removeprefix("torch.")


def autocast(precision: torch.dtype) -> AbstractContextManager[None]:
    return torch.autocast(device().type, precision, enabled=precision != torch.float32)


def initialise(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a network whose random weights follow from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build()
    return network.to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload]


def adamw(network: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels only; its rate is set before each step by `warmup_cosine`."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    kept = [p for p in network.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}], lr=0.0
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def warmup_cosine(step: int, steps: int, warmup: int, peak: float) -> float:
    """Learning rate of a step, counted from 0: linear to `peak` over `warmup` steps, then half a cosine to 0."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class Average:
    """Exponential moving average of a network's weights and statistics (Polyak; Tarvainen and Valpola 2017)."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards `network`; early steps move faster, so that the first weights are forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


def save_checkpoint(
    store: Store, key: str, network: nn.Module, optimizer: torch.optim.Optimizer, done: int, notes: str
) -> None:
    """Write all that a loop needs to go on after `done` steps, as one safetensors object (nothing is ever unpickled).

    A step's random draws follow from the seed and its number, so no generator's state is kept. notes: the loop's own
    memory.
    """
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    body = save(plain, metadata={"done": str(done), "notes": notes})
    store.write(key, body)


def load_checkpoint(
    store: Store, key: str, network: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, str] | None:
    """Restore what `save_checkpoint` wrote and return (done, notes), or None where there is nothing to resume.

    Of processes that train together, the first one reads for all.
    """
    body = bytes_of_first(lambda: _read(store, key))
    if body is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.safetensors"
        path.write_bytes(body)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    network.load_state_dict(
        {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
    )
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, entry = name.split(".", 2)
            state.setdefault(int(number), {})[entry] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return int(metadata["done"]), metadata["notes"]


def _read(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except KeyError:
        return None
