"""Two random views of each image of the train split; order and augmentation follow from the seed and the step."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from components.common.data.stream import epoch_windows, row_batches
from components.common.learning.augment import PartDraws, augment
from components.common.learning.collective import part
from components.common.learning.loading import Images
from components.common.seeding import seeded
from components.common.settings import Augment


def torch_views(
    images: Images,
    rows: np.ndarray,
    batch_size: int,
    changes: Augment,
    size: int,
    seed: int,
    epoch: int,
    first: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """An epoch's batches of two views from step `first` on, float32 in 0..1, (batch, channels, size, size).

    An incomplete last batch is dropped. Each step draws for itself, so that a batch is the same wherever training
    resumes. Of processes that train together, each has its part of every batch: the views that one process alone would
    have made of it.
    """
    windows = epoch_windows(images.reader.dataset, rows, seed, epoch, images.reader.held)
    reader = None if images.in_memory(rows) else images.reader
    mine = part(batch_size)
    for step, some in enumerate(row_batches(windows, batch_size, first, len(rows) // batch_size, reader), first):
        pixels = images.batch(some[mine.start : mine.stop])
        draws = PartDraws(seeded(seed, f"views {epoch} {step}")[1], *mine)
        yield augment(pixels, changes, size, draws), augment(pixels, changes, size, draws)
