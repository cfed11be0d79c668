"""Two random views of each image of the train split, in an order and with changes that follow from the seed and the epoch."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from components.common.augment import augment
from components.common.loading import Images
from components.common.settings import Augment
from components.common.training import seeded


def epoch_order(rows: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """The rows in the order of one epoch: an exact shuffle of all of them."""
    return seeded(seed, f"order {epoch}")[0].permutation(rows)


def torch_views(images: Images, rows: np.ndarray, batch_size: int, changes: Augment, size: int, seed: int,
                epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of two views, float32 in 0..1, (batch, channels, size, size); an incomplete last batch is dropped."""
    order = epoch_order(rows, seed, epoch)
    draws = seeded(seed, f"views {epoch}")[1]
    for start in range(0, len(order) - batch_size + 1, batch_size):
        pixels = images.batch(order[start : start + batch_size])
        yield augment(pixels, changes, size, draws), augment(pixels, changes, size, draws)
