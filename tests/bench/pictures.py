"""Pictures by the million, all different but for planted copies: digits, garments, collages of them, and noise."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from components.ingest.duplicates.thumbnails import SIDE, thumbnail
from tests import natural

BILINEAR = Image.Resampling.BILINEAR
BLOCK, COPIES = 1000, 10  # pictures that are made at a time, and how many of them copy another one of these
EVERY = 7  # of so many pictures one shows a digit or garment alone, while there are any
NOISE = 0.4  # share of the others that are noise whose amplitude falls with frequency, as that of photos does
LARGE = 128  # pixels of a picture that is copied, and of its copy before cutting and resizing


class Planted(NamedTuple):
    """Rows of a copy and of its original, and of which kind it is."""

    copy: int
    original: int
    kind: str


def write(path: Path, count: int, real: np.ndarray) -> list[Planted]:
    """Write thumbnails of `count` pictures (a multiple of BLOCK); real: uint8 (n, 28, 28), each of which is shown alone
    at most once, turned a little; collages show two each, noise none.
    """
    planted = []
    with path.open("wb") as file, ProcessPoolExecutor(2, get_context("fork")) as processes:
        for pixels, copies in processes.map(partial(_block, real), range(count // BLOCK)):
            file.write(pixels)
            planted += copies
    return planted


def _block(real: np.ndarray, number: int) -> tuple[bytes, list[Planted]]:
    draws = np.random.default_rng(number)
    shown: list[np.ndarray] = []
    planted: list[Planted] = []
    for row in range(BLOCK - COPIES):
        side = LARGE if row < COPIES else SIDE
        image = Image.fromarray(_picture(real, number * BLOCK + row, draws, side))
        shown.append(thumbnail(image))
        if row < COPIES:
            kind = draws.choice([*natural.KINDS, *natural.EDITS[:3]])
            shown.append(thumbnail(natural.copy(image, kind, draws)))
            planted.append(Planted(number * BLOCK + 2 * row + 1, number * BLOCK + 2 * row, str(kind)))
    return np.stack(shown).tobytes(), planted


def _picture(real: np.ndarray, serial: int, draws: np.random.Generator, side: int) -> np.ndarray:
    alone, rest = divmod(serial, EVERY)
    if rest == 0 and alone < len(real):
        return np.asarray(Image.fromarray(real[alone]).resize((side, side)).rotate(draws.uniform(-20, 20), BILINEAR))
    if draws.random() < NOISE:
        return _noise(draws, side)
    return np.maximum(*(_pasted(real[draws.integers(len(real))], draws, side) for _ in range(2)))


def _pasted(picture: np.ndarray, draws: np.random.Generator, side: int) -> np.ndarray:
    """A picture in any direction, half to all of the side large, somewhere."""
    size = round(side * draws.uniform(0.5, 1))
    ground = Image.new("L", (side, side))
    turned = Image.fromarray(picture).resize((size, size)).rotate(draws.uniform(0, 360), BILINEAR)
    ground.paste(turned, tuple(draws.integers(0, side - size + 1, 2).tolist()))
    return np.asarray(ground)


def _noise(draws: np.random.Generator, side: int) -> np.ndarray:
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)) + 1 / (2 * side)
    pixels = np.fft.irfft2(np.fft.rfft2(draws.standard_normal((side, side), np.float32)) / frequency**1.2)
    return np.clip(128 + 50 * (pixels - pixels.mean()) / pixels.std(), 0, 255).astype(np.uint8)
