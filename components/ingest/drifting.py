"""A stream of real digits that changes from week to week, for a rehearsal of what happens to a model in production.

DIR/start/*.png       what there is at the beginning, without a 9
DIR/week-01/*.png …   what comes week by week
DIR/truth.csv         image (a path under DIR), label, and how it was turned: for the scripted person, and to measure by

Two weeks are like the start. From the third on digits are turned, by ever more degrees up to TURNED; from the fourth on
SWELLING comes twice as often; from the fifth on there are 9s. From the seventh on, all stays as it is.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from components.common.data.images import png
from components.common.errors import BadInputError
from components.common.files import new_folder
from components.common.seeding import seeded

TRUTH = "truth.csv"
NEW, SWELLING = 9, 3  # the class that appears, and the one that comes more often
QUIET, TURNED, STEP = 2, 40, 10  # weeks like the start; degrees in the end, and more each week
SWELLS, APPEARS = 4, 5  # weeks from which on
MORE, SHARE = 2.0, 0.15  # how many times as often SWELLING comes; the share of 9s
WEEKS = 8


class Part(NamedTuple):
    """The start, or a week: pixels uint8 (images, side, side), labels (images,), and by how many degrees all turn."""

    name: str
    pixels: np.ndarray
    labels: np.ndarray
    degrees: int


def turned(week: int) -> int:
    """Degrees by which the digits of a week are turned."""
    return min(TURNED, STEP * max(0, week - QUIET))


def shares(classes: np.ndarray, week: int) -> np.ndarray:
    """Share of each class in a week (0: the start)."""
    weights = np.where(classes == SWELLING, MORE if week >= SWELLS else 1.0, 1.0) * (classes != NEW)
    there = SHARE if week >= APPEARS else 0.0
    return np.where(classes == NEW, there, (1 - there) * weights / weights.sum())


def parts(pixels: np.ndarray, labels: np.ndarray, seed: int = 0) -> Iterator[Part]:
    """The start, and WEEKS weeks, each image once. pixels: uint8 (images, side, side); labels: digits (images,).

    The start takes three images in ten, a week one in twenty, and less where a class has no more.
    """
    generator = seeded(seed, "stream")[0]
    classes = np.unique(labels)
    left = {number: generator.permutation(np.flatnonzero(labels == number)).tolist() for number in classes.tolist()}
    for week in range(WEEKS + 1):
        size = len(labels) * (6 if week == 0 else 1) // 20
        wanted = generator.multinomial(size, shares(classes, week))
        rows: list[int] = []
        for number, count in zip(classes.tolist(), wanted.tolist(), strict=True):
            rows += left[number][:count]
            del left[number][:count]
        chosen = generator.permutation(np.array(rows))
        degrees = turned(week)
        now = np.stack([_turn(image, degrees) for image in pixels[chosen]])
        yield Part(f"week-{week:02d}" if week else "start", now, labels[chosen], degrees)


def write_stream(pixels: np.ndarray, labels: np.ndarray, folder: Path) -> str:
    """Write the stream of an example's images, all or nothing; returns a line that says what happened.

    A folder that an earlier call wrote is kept. BadInputError where it holds anything else.
    """
    if (folder / TRUTH).is_file():
        return f"{folder}: kept, it holds a stream already"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInputError(f"{folder}: holds something else than a stream; give a new or an empty folder")
    truth = io.StringIO(newline="")
    rows = csv.writer(truth, lineterminator="\n")
    rows.writerow(["image", "label", "degrees"])
    images = 0
    with new_folder(folder) as temporary:
        for part in parts(pixels, labels):
            (temporary / part.name).mkdir()
            for number, (image, label) in enumerate(zip(part.pixels, part.labels.tolist(), strict=True)):
                name = f"{part.name}/{number:04d}.png"
                (temporary / name).write_bytes(png(Image.fromarray(image)))
                rows.writerow([name, label, part.degrees])
                images += 1
        (temporary / TRUTH).write_text(truth.getvalue(), encoding="utf-8")
    return f"{folder}: {images:,} images, of the start and of {WEEKS} weeks"


def _turn(image: np.ndarray, degrees: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).rotate(degrees, Image.Resampling.BILINEAR)) if degrees else image
