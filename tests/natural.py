"""Patches of the few real photos that packages ship, and copies of them as they come about in practice."""

import io
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageEnhance
from sklearn.datasets import load_sample_images

KINDS = ("re-encoded", "resized", "cropped", "all three")
EDITS = ("contrast", "brightness", "gamma", "saturation", "grey")
TIMES = 1.6  # the most that contrast, brightness or gamma is multiplied with, or divided by
CUT = 0.05  # of the side, the most that a crop takes away at each edge
PLAIN = 6  # grey levels of standard deviation: a patch with less is a piece of sky like any other


def patches(side: int, step: int) -> list[Image.Image]:
    """Square pieces of a temple, a flower and a portrait, but for those with nothing to see."""
    photos = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    with Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg") as portrait:
        photos.append(portrait.convert("RGB"))
    pieces = [
        photo.crop((x, y, x + side, y + side))
        for photo in photos
        for y in range(0, photo.height - side + 1, step)
        for x in range(0, photo.width - side + 1, step)
    ]
    return [piece for piece in pieces if np.asarray(piece.convert("L")).std() >= PLAIN]


def copy(image: Image.Image, kind: str, draws: np.random.Generator) -> Image.Image:
    """A copy: JPEG of quality 50 to 95, half to twice the size, up to CUT cut off at each edge, or all of it. An edited
    one is JPEG too, as what is edited is saved again.
    """
    if kind in EDITS:
        image = _edited(image, kind, draws)
    if kind in ("cropped", "all three"):
        left, top, right, bottom = draws.uniform(0, CUT, 4)
        width, height = image.size
        image = image.crop(
            (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
        )
    if kind in ("resized", "all three"):
        factor = draws.uniform(0.5, 2)
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
    if kind not in ("resized", "cropped"):
        image = Image.open(io.BytesIO(encoded(image, "JPEG", quality=int(draws.integers(50, 96)))))
        image.load()
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _edited(image: Image.Image, kind: str, draws: np.random.Generator) -> Image.Image:
    """Contrast, brightness or gamma times 1/TIMES to TIMES, colours none to twice as strong, or grey."""
    factor = float(np.exp(draws.uniform(-1, 1) * np.log(TIMES)))
    match kind:
        case "contrast":
            return ImageEnhance.Contrast(image).enhance(factor)
        case "brightness":
            return ImageEnhance.Brightness(image).enhance(factor)
        case "gamma":
            return image.point([round(255 * (level / 255) ** factor) for level in range(256)] * len(image.getbands()))
        case "saturation":
            return ImageEnhance.Color(image).enhance(draws.uniform(0, 2))
        case _:
            return image.convert("L")
