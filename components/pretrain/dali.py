"""Load and augment the two SimCLR views with NVIDIA DALI, on the GPU where there is one."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import numpy as np
import torch
from nvidia import dali
from nvidia.dali import fn
from nvidia.dali.plugin.pytorch import feed_ndarray
from nvidia.dali.types import DALIDataType, DALIImageType
from torch import Tensor

from components.common.data.reader import ShardReader
from components.common.data.stream import epoch_windows, row_batches
from components.common.learning.collective import part, rank
from components.common.settings import Augment
from components.pretrain.settings import PretrainSettings

# steps of one pipeline: making it takes as long as a step or two, and resuming repeats the loading of half as many
SEGMENT = 200


def dali_views(
    reader: ShardReader,
    mode: str,
    rows: np.ndarray,
    settings: PretrainSettings,
    seed: int,
    epoch: int,
    threads: int,
    first: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """An epoch's batches of two views from step `first` on, float32 in 0..1, (batch, channels, size, size).

    An incomplete last batch is dropped. The pipeline is made anew for each segment, its seed drawn from the run's: a
    batch is the same wherever training resumes, once those of its segment before it have been loaded and thrown away.
    Of processes that train together, each loads its part of every batch, with draws of its own, so that the views
    depend on their number.
    """
    windows = epoch_windows(reader.dataset, rows, seed, epoch, reader.held)
    steps = len(rows) // settings.batch_size
    start = first - first % SEGMENT
    mine = part(settings.batch_size)
    own = [rank()] if rank() else []
    with closing(row_batches(windows, settings.batch_size, start, steps, reader)) as batches:
        for begin in range(start, steps, SEGMENT):
            end = min(begin + SEGMENT, steps)
            files = _files(reader, (rows[mine.start : mine.stop] for rows in islice(batches, end - begin)))
            pipeline = _pipeline(
                files, mine.stop - mine.start, mode, settings, [seed, epoch, begin // SEGMENT, *own], threads
            )
            for step in range(begin, end):
                outputs = pipeline.run()
                if step >= first:
                    yield tuple(_to_torch(output) for output in outputs)  # type: ignore[misc]


def _files(reader: ShardReader, batches: Iterator[np.ndarray]) -> Iterator[list[np.ndarray]]:
    for rows in batches:
        yield [np.frombuffer(reader.image_bytes(row), np.uint8) for row in rows.tolist()]


def _pipeline(
    files: Iterator[list[np.ndarray]], size: int, mode: str, settings: PretrainSettings, seeds: list[int], threads: int
) -> dali.Pipeline:
    gpu = torch.cuda.is_available()
    derived = int(np.random.SeedSequence(seeds).generate_state(1)[0] >> 1)
    pipeline = dali.Pipeline(size, threads, device_id=0 if gpu else None, seed=derived, prefetch_queue_depth=2)
    with pipeline:
        encoded = fn.external_source(source=files, dtype=DALIDataType.UINT8, ndim=1)
        kind = DALIImageType.GRAY if mode == "L" else DALIImageType.RGB
        shape = fn.cast(fn.peek_image_shape(encoded), dtype=DALIDataType.FLOAT)
        side = dali.math.min(shape[0], shape[1])  # of the centre square, which is all that prediction looks at
        pictures = fn.decoders.image_crop(
            encoded, device="mixed" if gpu else "cpu", output_type=kind, crop_h=side, crop_w=side
        )
        pipeline.set_outputs(*(_view(pictures, settings.augment, settings.image_size, mode) for _ in range(2)))
    pipeline.build()
    return pipeline


def _view(pictures: dali.data_node.DataNode, changes: Augment, size: int, mode: str) -> dali.data_node.DataNode:
    """Channels first, float32 in 0..1."""
    aspect = (1 / changes.aspect, changes.aspect)
    x = fn.random_resized_crop(pictures, size=size, random_area=(changes.crop, 1.0), random_aspect_ratio=aspect)
    if changes.rotate:
        x = fn.rotate(x, angle=fn.random.uniform(range=(-changes.rotate, changes.rotate)), keep_size=True, fill_value=0)
    if changes.flip_horizontal or changes.flip_vertical:
        mirrored, upended = (
            fn.random.coin_flip(probability=p) for p in (changes.flip_horizontal, changes.flip_vertical)
        )
        x = fn.flip(x, horizontal=mirrored, vertical=upended)
    if changes.brightness or changes.contrast:
        x = fn.brightness_contrast(x, brightness=_around(1, changes.brightness), contrast=_around(1, changes.contrast))
    if mode == "RGB" and (changes.saturation or changes.hue or changes.greyscale):
        kept = 1 - fn.cast(fn.random.coin_flip(probability=changes.greyscale), dtype=DALIDataType.FLOAT)
        x = fn.hsv(x, saturation=_around(1, changes.saturation) * kept, hue=_around(0, 360 * changes.hue))
    if changes.blur:
        chosen = fn.cast(fn.random.coin_flip(probability=changes.blur), dtype=DALIDataType.FLOAT)
        sigma = fn.random.uniform(range=(0.1, 2.0)) * chosen + 1e-2
        x = fn.gaussian_blur(x, sigma=sigma, window_size=9)
    if changes.cutout:
        side = fn.random.uniform(range=(0.0, changes.cutout)) ** 0.5
        x = fn.erase(
            x,
            anchor=fn.random.uniform(range=(0.0, 1.0), shape=2),
            shape=fn.stack(side, side),
            axes=(0, 1),
            normalized=True,
            centered_anchor=True,
            fill_value=127,
        )
    return fn.transpose(fn.cast(x, dtype=DALIDataType.FLOAT) / 255, perm=[2, 0, 1])


def _around(middle: float, reach: float) -> dali.data_node.DataNode | float:
    """A draw within `reach` of the middle; DALI refuses to draw from a range without width."""
    return fn.random.uniform(range=(middle - reach, middle + reach)) if reach else middle


def _to_torch(output: dali.tensors.TensorListCPU | dali.tensors.TensorListGPU) -> Tensor:
    batch = output.as_tensor()
    device = "cuda" if "GPU" in type(batch).__name__ else "cpu"
    result = torch.empty(batch.shape(), dtype=torch.float32, device=device)
    feed_ndarray(batch, result)
    return result
