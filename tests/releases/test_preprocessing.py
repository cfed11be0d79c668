"""One way from bytes to pixels: what training reads from shards, what a release feeds its model, and what another
program makes by following preprocessing.json.
"""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.common.artifacts import Dataset
from components.common.data.images import UPRIGHT, ImageError
from components.common.learning.loading import Images
from components.common.storage import open_store
from components.releases import preprocessing
from components.releases.model import load_release
from components.releases.preprocessing import Preprocessing
from tests.ingest.test_ingest import by_source, fill, ingest
from tests.releases.made import publish_release

SIZE = 24
ODD = ((1, 1), (3, 2), (23, 25), (101, 47), (24, 24))
RNG = np.random.default_rng(7)


def noise(*shape: int, kind: Any = np.uint8, most: int = 256) -> Image.Image:
    return Image.fromarray(RNG.integers(0, most, shape).astype(kind))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def pictures() -> dict[str, bytes]:
    """A file of each kind that could be read in two ways."""
    clear = noise(37, 53).quantize(17)
    return {
        **{
            f"odd-{w}x{h}.png": saved(noise(h, w, 3), "PNG") for w, h in ((1, 1), (3, 2), (23, 25), (101, 47), (24, 24))
        },
        **{f"exif-{n}.jpg": saved(noise(31, 45, 3), "JPEG", exif=turned(n), quality=90) for n in range(1, 9)},
        **{f"exif-{n}.tiff": saved(noise(31, 45, 3), "TIFF", exif=turned(n)) for n in (3, 6)},
        "alpha.png": saved(noise(40, 29, 4), "PNG"),
        "alpha-grey.png": saved(noise(40, 29, 2), "PNG"),
        "alpha-turned.webp": saved(noise(40, 29, 4), "WEBP", lossless=True, exif=turned(8)),
        "palette.png": saved(clear, "PNG", transparency=3),
        "sixteen.png": saved(noise(33, 30, kind=np.uint16, most=1 << 16), "PNG"),
        "sixteen.tiff": saved(noise(33, 30, kind=np.uint16, most=1 << 16), "TIFF"),
        "cmyk.jpg": saved(Image.merge("CMYK", [noise(41, 35) for _ in range(4)]), "JPEG", quality=95),
        "grey.jpg": saved(noise(29, 60), "JPEG"),
        "bits.png": saved(noise(40, 44).convert("1"), "PNG"),
        "frames.gif": saved(noise(26, 31), "GIF", save_all=True, append_images=[noise(26, 31)]),
    }


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return pictures()


@pytest.fixture(scope="module", params=["RGB", "L"])
def trained(request, files, tmp_path_factory) -> tuple[str, Dataset, str]:
    """The mode, the dataset that ingest makes of the files, and its store."""
    folder = tmp_path_factory.mktemp(request.param)
    dataset, _, _ = ingest(
        fill(folder / "pets", {f"a/{name}": data for name, data in files.items()}), folder, mode=request.param
    )
    return request.param, dataset, str(folder / "store")


def test_training_and_serving_see_equal_pixels(files, trained):
    mode, dataset, store = trained
    names = [source.removeprefix("a/") for source in dataset.column("source")]
    assert set(names) == set(files)
    read = Images(dataset, open_store(store), mode, SIZE).batch(np.arange(len(names))).numpy()
    served = Preprocessing(mode, SIZE, preprocessing.MAX_PIXELS)
    for name, pixels, width, height in zip(names, read, *(dataset.column(c) for c in ("width", "height")), strict=True):
        seen = served.seen(files[name])
        np.testing.assert_array_equal(seen.pixels, pixels, err_msg=name)
        np.testing.assert_array_equal(served.pixels(files[name]), pixels, err_msg=name)
        assert (seen.width, seen.height) == (width, height), name


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_another_program_makes_the_same_pixels_of_preprocessing_json(files, mode):
    about = preprocessing.describe(mode, SIZE, [0.5] * len(mode), [0.2] * len(mode))
    served = Preprocessing(mode, SIZE, about["max_pixels"])
    for name, data in files.items():
        expected = served.pixels(data).astype(int)
        for order in ("across, down", "down, across"):
            difference = np.abs(followed(about, data, order) - expected)
            assert difference.max() <= 1, (name, order)  # Pillow adds up in integers, and halves go either way


def followed(about: dict[str, Any], data: bytes, order: str) -> np.ndarray:
    """The steps in numpy, from the samples as a decoder gives them; order: of the passes of the filter."""
    image = Image.open(io.BytesIO(data))
    orientation = image.getexif().get(0x0112, 1) if image.format != "TIFF" else 1  # Pillow turns TIFFs itself
    image.load()
    for step in about["steps"]:
        name = step["step"]
        if name == "bits":
            values = np.asarray(image)
            pixels = (values >> 8 if values.dtype == np.uint16 else values).astype(float)
        elif name == "flatten":
            pixels = flattened(image, pixels, step["on"][0])
        elif name == "grey":
            r, g, b = (pixels[..., c].astype(np.int64) for c in range(3))
            pixels = ((19595 * r + 38470 * g + 7471 * b + 32768) >> 16)[..., None].astype(float)
        elif name == "upright":
            turn = UPRIGHT.get(orientation)
            layers = [Image.fromarray(pixels[..., c].astype(np.uint8)) for c in range(pixels.shape[2])]
            pixels = np.dstack([np.asarray(each if turn is None else each.transpose(turn), float) for each in layers])
        elif name == "resize":
            height, width, _ = pixels.shape
            side = min(width, height)
            weights = {
                "across": ("ow,hwc->hoc", filter_of(width, (width - side) // 2, side, step["size"][0])),
                "down": ("oh,hwc->owc", filter_of(height, (height - side) // 2, side, step["size"][1])),
            }
            for one in order.split(", "):
                pixels = np.floor(np.einsum(weights[one][0], weights[one][1], pixels) + 0.5)
    return pixels.transpose(2, 0, 1).astype(int)


def flattened(image: Image.Image, pixels: np.ndarray, paper: int) -> np.ndarray:
    """RGB of samples that may be grey, of a palette, of four inks or transparent."""
    if image.mode == "CMYK":
        inks = pixels[..., :3]
        return np.floor((255 - inks) * (255 - pixels[..., 3:]) / 255 + 0.5)
    if image.mode == "P" or image.mode == "1":
        pixels = np.asarray(image.convert("RGBA"), float)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    colour, alpha = (pixels[..., :-1], pixels[..., -1:]) if pixels.shape[2] in (2, 4) else (pixels, 255.0)
    mixed = np.floor((colour * alpha + paper * (255 - alpha)) / 255 + 0.5)
    return np.repeat(mixed, 3, axis=2) if mixed.shape[2] == 1 else mixed


def filter_of(length: int, start: int, side: int, size: int) -> np.ndarray:
    """Weights (size, length) of a triangle around the centre of each new pixel."""
    scale = side / size
    centres = start + (np.arange(size) + 0.5) * scale
    distance = np.abs(np.arange(length) + 0.5 - centres[:, None]) / max(scale, 1)
    weights = np.maximum(0, 1 - distance)
    return weights / weights.sum(axis=1, keepdims=True)


def test_what_ingest_refuses_for_its_size_a_release_refuses_too(tmp_path):
    files = {"a/small.png": saved(noise(50, 59, 3), "PNG"), "a/large.png": saved(noise(60, 60, 3), "PNG")}
    dataset, _, _ = ingest(fill(tmp_path / "pets", files), tmp_path, max_pixels=3000)
    assert list(by_source(dataset)) == ["a/small.png"]
    about = preprocessing.describe("RGB", SIZE, [0.5] * 3, [0.2] * 3, max_pixels=3000)
    served = Preprocessing(about["mode"], about["image_size"], about["max_pixels"])
    served.pixels(files["a/small.png"])
    with pytest.raises(ImageError, match="more than 3000 pixels: 60 x 60"):
        served.pixels(files["a/large.png"])


def test_a_loaded_release_makes_them_of_its_own_preprocessing_json(tiny_world, tmp_path, files):
    model = load_release(publish_release(tiny_world, str(tmp_path)), threads=1)
    assert model.preprocessing == Preprocessing("L", 8, preprocessing.MAX_PIXELS)
    pixels = model.preprocessing.pixels(files["cmyk.jpg"])
    assert (pixels.shape, pixels.dtype) == ((1, 8, 8), np.uint8)
    assert model.run(pixels[None]).logits.shape == (1, 10)
