"""How long one answer takes: for a gate alone, since a time in a digested artifact would make equal runs differ."""

import time
from typing import Any

import numpy as np

from components.releases.model import OnnxModel
from components.releases.probe import probe_pixels

IMAGES = 200
FIRST = 20  # not counted: buffers are made, clocks go up


def latency(model: bytes, threads: int = 1, images: int = IMAGES) -> dict[str, Any]:
    """Milliseconds from the pixels of one image to its logits, by onnxruntime on this machine: `ms_p50` and `ms_p95`
    over `images` answers, one after the other, with `threads` threads.

    model: an ONNX file. Reading and decoding the image are not in it.
    """
    onnx = OnnxModel(model, threads)
    pixels = probe_pixels(onnx.shape, 1)
    took = []
    for _ in range(FIRST + images):
        start = time.perf_counter()
        onnx.run(pixels)
        took.append(1000 * (time.perf_counter() - start))
    p50, p95 = np.percentile(took[FIRST:], [50, 95]).tolist()
    return {"ms_p50": p50, "ms_p95": p95, "images": images, "threads": threads}
