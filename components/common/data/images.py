"""Decode image files to upright pixels of 8 bits, RGB or grey; incomplete files are refused."""

import io
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from components.common.data.kinds import HEAD, JPEG_2000, PILLOW, can_read, kind_of, remedy

NONE_READ = f"not a {', '.join([*PILLOW][:-1])} or {[*PILLOW][-1]} image"
CUT = ("truncated", "end of file", "reached eof", "not enough image data")  # how decoders say that a file ends early
ORIENTATION = 0x0112  # the EXIF tag
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Image.MAX_IMAGE_PIXELS = None  # decode() has its own limit, and refuses where Pillow would only warn
warnings.filterwarnings("ignore", module=r"PIL\.")  # of metadata that nobody reads; pixels that are missing are errors


class ImageError(Exception):
    """A file that is no image, or not a whole one; the text is the reason."""


class Canonical(NamedTuple):
    """An image as a shard keeps it."""

    data: bytes
    extension: str  # png or jpg
    width: int  # pixels, upright
    height: int
    came_as: str  # format and mode of the source, such as "JPEG CMYK"
    kept: bool  # whether `data` are the source's own bytes


class Seen(NamedTuple):
    """An image as a network sees it."""

    pixels: np.ndarray  # uint8 (channels, size, size)
    width: int  # pixels of the whole image, upright
    height: int


def decode(data: bytes, mode: str, max_pixels: int) -> Image.Image:
    """The first frame, upright and in `mode` ("RGB" or "L"); transparent parts lie on white, 16 bits become their upper
    8.

    Raises ImageError where the file is no image, is truncated, has more than `max_pixels`, or has pixels without a
    known scale.
    """
    image, orientation = _load(data, max_pixels)
    return _turned(_converted(image, mode), orientation)


def canonical_pixels(data: bytes, mode: str, max_pixels: int) -> tuple[Canonical, Image.Image]:
    """The image as it is stored, and its pixels, from one decoding.

    Stored are its own bytes where they are an upright JPEG or PNG in `mode`, else a PNG of what `decode` gives.
    """
    image, orientation = _load(data, max_pixels)
    came_as = f"{image.format} {image.mode}"
    if image.mode == mode and orientation not in UPRIGHT and _is_plain(image, data):
        extension = "png" if image.format == "PNG" else "jpg"
        return Canonical(data, extension, image.width, image.height, came_as, kept=True), image
    upright = _turned(_converted(image, mode), orientation)
    return Canonical(png(upright), "png", upright.width, upright.height, came_as, kept=False), upright


def to_square(image: Image.Image, size: int) -> np.ndarray:
    """The centre square, resized once with antialiasing: uint8 (channels, size, size)."""
    side = min(image.size)
    left = (image.width - side) // 2
    top = (image.height - side) // 2
    square = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    pixels = np.asarray(square)
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def seen(data: bytes, mode: str, size: int, max_pixels: int) -> Seen:
    """What a network is fed of an image file: the one way from bytes to pixels, in training, batch prediction and
    serving.

    `components.releases.preprocessing` describes it as data. Raises ImageError as `decode` does.
    """
    image = decode(data, mode, max_pixels)
    return Seen(to_square(image, size), image.width, image.height)


def square_pixels(data: bytes, mode: str, size: int, max_pixels: int) -> np.ndarray:
    """The pixels of `seen`, uint8 (channels, size, size)."""
    return seen(data, mode, size, max_pixels).pixels


def png(image: Image.Image) -> bytes:
    """Lossless bytes, without metadata."""
    clean = Image.new(image.mode, image.size)
    clean.paste(image)
    buffer = io.BytesIO()
    clean.save(buffer, "PNG")
    return buffer.getvalue()


def _load(data: bytes, max_pixels: int) -> tuple[Image.Image, int]:
    """Pillow's image, all of its pixels read, and its EXIF orientation (1 where it has none)."""
    if not data:
        raise ImageError("empty file")
    kind = kind_of(data[:HEAD])
    if not can_read(kind):
        raise ImageError(f"{kind}, which is not read: {remedy(kind)}" if kind else NONE_READ)
    # A codestream without its end marker, which cannot occur inside, is decoded with parts missing.
    if kind == JPEG_2000 and data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\x90"):
        raise ImageError("truncated")
    try:
        image = Image.open(io.BytesIO(data), formats=(PILLOW[kind],))
        if image.width * image.height > max_pixels:
            raise ImageError(f"more than {max_pixels} pixels: {image.width} x {image.height}")
        image.load()
    except UnidentifiedImageError:
        raise ImageError(f"broken: begins like a {kind} image, and does not go on like one") from None
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything on a broken file
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        is_cut = isinstance(error, EOFError) or any(word in text.lower() for word in CUT)
        raise ImageError("truncated" if is_cut else f"broken: {text}") from None
    try:
        orientation = image.getexif().get(ORIENTATION, 1)  # after load: TIFFs turn themselves
    except Exception:  # metadata that cannot be parsed says nothing about the pixels
        orientation = 1
    return image, orientation


def _is_plain(image: Image.Image, data: bytes) -> bool:
    """Whether every decoder makes the same pixels of the file: an 8-bit JPEG or PNG, opaque, of one frame, with its
    end.
    """
    if image.format in ("JPEG", "MPO"):  # an MPO is a JPEG with more pictures behind it
        return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")  # the last scan has its end of image
    if image.format != "PNG" or "transparency" in image.info or getattr(image, "is_animated", False):
        return False
    return data[24] == 8 and data[-8:-4] == b"IEND"  # byte 24: bits per sample


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "I" and image.format == "PPM":  # read with more than 8 bits, and scaled to 16
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ImageError("32-bit pixels without a known scale; store 8 or 16 bits")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    try:
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB").convert(mode) if image.mode not in ("1", "L") else image.convert(mode)
    except ValueError:
        raise ImageError(f"colours that cannot be converted to {mode}: {image.mode}") from None
