"""Terms of the pseudo-label loss, one function per equation."""

import torch
from torch import Tensor


def unlabelled_weight(step: float, t1: float, t2: float, final: float) -> float:
    """Weight of the unlabelled loss: 0 up to T1, linear to `final` at T2, constant after (Lee 2013, eq. 16)."""
    if step < t1:
        return 0.0
    if step >= t2:
        return final
    return final * (step - t1) / (t2 - t1)


def sharpen(probabilities: Tensor, temperature: float) -> Tensor:
    """Soft targets from the guess (1) to its one-hot form (towards 0) (Berthelot et al. 2019, eq. 7); (n, classes)."""
    powered = probabilities ** (1 / temperature)
    return powered / powered.sum(dim=1, keepdim=True)


def align(probabilities: Tensor, expected: Tensor, running: Tensor) -> Tensor:
    """Distribution alignment (Berthelot et al. 2020, section 3.1): guesses scaled so that their running mean is what is
    expected.

    probabilities: (n, classes); expected, running: (classes,), each summing to one.
    """
    scaled = probabilities * (expected / running.clamp(min=1e-6))
    return scaled / scaled.sum(dim=1, keepdim=True)


def mixup(x: Tensor, targets: Tensor, share: Tensor, partner: Tensor) -> tuple[Tensor, Tensor]:
    """Convex combinations of pairs of images and of their targets (Zhang et al. 2018, eq. 1).

    x: (n, channels, s, s); targets: (n, classes); share: (n,), how much of itself each keeps; partner: (n,) positions.
    """
    pixels = share.view(-1, 1, 1, 1)
    classes = share.view(-1, 1)
    return pixels * x + (1 - pixels) * x[partner], classes * targets + (1 - classes) * targets[partner]


def partners(teaches: Tensor, draws: torch.Generator) -> Tensor:
    """A random partner for each image among those of its kind: pairs are drawn within `teaches`, others stay with
    themselves.

    teaches: boolean (n,). An image without a trustworthy target must not be mixed into one that has: it would teach the
    network to find a class in what shows another.
    """
    result = torch.arange(len(teaches))
    members = torch.nonzero(teaches.cpu()).flatten()
    result[members] = members[torch.randperm(len(members), generator=draws)]
    return result.to(teaches.device)
