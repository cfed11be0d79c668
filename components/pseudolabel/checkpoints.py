"""Keep the averaged weights of some steps of training, for the second opinion of `evaluate.precise`."""

import torch
from torch import Tensor, nn


class Checkpoints:
    """Copies of a network's weights at so many steps, spread evenly over the second half of training before its end.

    The averaged weights are kept, not the student's: they are what is handed on, and each of them is a model as good.
    """

    def __init__(self, steps: int, kept: int) -> None:
        self.steps = steps_kept(steps, kept)
        self.weights: dict[int, dict[str, Tensor]] = {}  # by step

    @torch.no_grad()
    def see(self, step: int, network: nn.Module) -> None:
        """step: how many are done."""
        if step in self.steps:
            tensors = network.state_dict().items()
            self.weights[step] = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors}


def steps_kept(steps: int, kept: int) -> list[int]:
    """`steps_kept(400, 4)` is [200, 250, 300, 350]: the last step is the model itself."""
    found = {steps - round(steps * number / (2 * kept)) for number in range(1, kept + 1)}
    return sorted(step for step in found if 0 < step < steps)
