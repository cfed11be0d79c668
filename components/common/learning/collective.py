"""Collective operations of data-parallel training: the result does not depend on the number of processes.

Each process holds some rows of every batch (`part`). Sums run over all rows: gradients, the statistics of batch
normalisation, and the loss, which compares every embedding with all others. Alone, each function is the identity.
Sums over processes are taken in one fixed order, so equal processes repeat to the bit wherever training resumes; DDP
would not, since it lays its buckets out anew after its first step.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from components.common.learning.device import device
from components.common.learning.distributed import LostPeerError


class Part(NamedTuple):
    """Rows start..stop-1 of a batch of `whole` rows."""

    start: int
    stop: int
    whole: int


def world() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """This one's number; 0 writes checkpoints, outputs and progress."""
    return dist.get_rank() if dist.is_initialized() else 0


def part(whole: int) -> Part:
    """This process's rows of a batch; where it cannot be divided evenly, some have one row more."""
    return Part(whole * rank() // world(), whole * (rank() + 1) // world(), whole)


@contextmanager
def _peers() -> Iterator[None]:
    """Raise LostPeerError for whatever a backend raises when another process has ended."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise LostPeerError(str(error).strip().splitlines()[0]) from error


def _all_sum(x: Tensor) -> Tensor:
    result = x.detach().clone(memory_format=torch.contiguous_format)
    with _peers():
        dist.all_reduce(result)
    return result


class _AllSum(torch.autograd.Function):
    """Sum over processes; the gradient is the sum of the gradients of all processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _all_sum(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _all_sum(gradients[0])


def gathered(rows: Tensor, mine: Part) -> Tensor:
    """All processes' rows, (…, whole, features), from one's own, (…, rows, features); gradients flow back to each
    owner.
    """
    if world() == 1:
        return rows
    return _AllSum.apply(F.pad(rows, (0, 0, mine.start, mine.whole - mine.stop)))


def add_up(network: nn.Module, loss: Tensor) -> float:
    """Sum gradients over processes, in place, where each has differentiated its share of the loss; returns the sum of
    the shares.
    """
    if world() == 1:
        return float(loss.detach())
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    # one message
    summed = _all_sum(torch.cat([*(gradient.reshape(-1) for gradient in gradients), loss.detach().reshape(1)]))
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, new in zip(gradients, summed[:-1].split(sizes), strict=True):
        gradient.copy_(new.view(gradient.shape))
    return float(summed[-1])


def share_weights(network: nn.Module) -> None:
    """Give every process the first one's weights and statistics."""
    if world() > 1:
        for tensor in network.state_dict().values():
            plain = tensor.contiguous()
            with _peers():
                dist.broadcast(plain, 0)
            tensor.copy_(plain)


def bytes_of_first(make: Callable[[], bytes | None]) -> bytes | None:
    """Call `make` on the first process and return its bytes on all, so that all see one state of a store."""
    if world() == 1:
        return make()
    data = make() if rank() == 0 else None
    size = torch.tensor([-1 if data is None else len(data)], device=device())
    with _peers():
        dist.broadcast(size, 0)
        if int(size) < 0:
            return None
        body = (
            torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(int(size), dtype=torch.uint8)
        )
        body = body.to(device())
        dist.broadcast(body, 0)
    return body.cpu().numpy().tobytes()


class _Normalise(torch.autograd.Function):
    """Batch normalisation over the rows of all processes (Ioffe and Szegedy 2015; as torch's SyncBatchNorm, which
    refuses a CPU).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        channels = x.shape[1]
        var, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
        mine = torch.cat([mean, var, mean.new_tensor([x.numel() // channels])])
        everyone = [torch.empty_like(mine) for _ in range(world())]
        with _peers():
            dist.all_gather(everyone, mine)
        means, variances, counts = torch.stack(everyone).split([channels, channels, 1], dim=1)
        total = counts.sum()
        mean = (counts * means).sum(dim=0) / total
        # no difference of large squares (Chan et al. 1979)
        var = (counts * (variances + (means - mean).square())).sum(dim=0) / total
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt(), total)
        ctx.mark_non_differentiable(mean, var, total)
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps), mean, var, total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, scale, total = ctx.saved_tensors
        shape = (1, -1, 1, 1)
        y = gradients[0].float()
        normal = (x.float() - mean.view(shape)) * scale.view(shape)
        # of this process's rows
        bias_gradient = y.sum(dim=(0, 2, 3))
        weight_gradient = (y * normal).sum(dim=(0, 2, 3))
        of_bias, of_weight = (_all_sum(torch.stack([bias_gradient, weight_gradient])) / total).unbind()
        gradient = (y - of_bias.view(shape) - normal * of_weight.view(shape)) * (weight * scale).view(shape)
        return gradient.to(x.dtype), weight_gradient, bias_gradient, None


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d whose batch is that of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        result, mean, var, total = _Normalise.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)  # type: ignore[union-attr, arg-type]
            self.running_var.lerp_(var * total / (total - 1), self.momentum)  # type: ignore[union-attr, arg-type]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        return result


def normalise_together(network: nn.Module) -> None:
    """Make every batch normalisation of a network one over all processes; its weights stay, under their names."""
    for module in network.modules():
        if world() > 1 and type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm2d
