"""Decoding against the pixels that a file was made from, and refusal of what is not a whole image."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from components.common.data.images import ORIENTATION, Canonical, ImageError, canonical_pixels, decode, to_square

pillow_heif.register_heif_opener()  # so that HEIC can be written
LIMIT = 10_000
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)  # upright: 20 wide, 12 high
SMOOTH = np.linspace(0, 255, 48 * 32 * 3).reshape(32, 48, 3).astype(np.uint8)

# What a viewer must undo for each value of the EXIF tag (Exif 2.32, table 6): written as what a camera did to the
# upright picture.
CAMERA = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def canonical(data: bytes, mode: str, max_pixels: int) -> Canonical:
    return canonical_pixels(data, mode, max_pixels)[0]


def saved(pixels: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.ascontiguousarray(pixels))
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_upright(kind: str, orientation: int) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = saved(CAMERA[orientation](PIXELS), kind, exif=exif(orientation), **options)
    np.testing.assert_array_equal(np.asarray(decode(data, "RGB", LIMIT)), PIXELS)
    stored = canonical(data, "RGB", LIMIT)
    assert (stored.width, stored.height) == (20, 12)
    assert stored.kept == (kind == "PNG" and orientation == 1)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(stored.data))), PIXELS)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF", "JPEG2000", "PPM"])
def test_other_kinds_keep_their_pixels(kind: str) -> None:
    options = {"quality": 100, "subsampling": "4:4:4"} if kind == "AVIF" else {"quality": -1} if kind == "HEIF" else {}
    pixels = np.asarray(decode(saved(SMOOTH, kind, **options), "RGB", LIMIT)).astype(int)
    assert np.abs(pixels - SMOOTH).max() <= (0 if kind in ("JPEG2000", "PPM") else 4)


@pytest.mark.parametrize("orientation", [1, 2, 3, 6, 8])
def test_a_turned_avif_comes_upright(orientation: int) -> None:
    data = saved(CAMERA[orientation](SMOOTH), "AVIF", exif=exif(orientation), quality=95)
    assert np.abs(np.asarray(decode(data, "RGB", LIMIT)).astype(int) - SMOOTH).mean() < 3


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_heic_is_turned_once(orientation: int) -> None:
    """Cameras say the turn twice, in the file's own boxes and in EXIF: the decoder applies the first, nobody the
    second.
    """
    image = Image.fromarray(np.ascontiguousarray(CAMERA[orientation](SMOOTH)))
    image.info["exif"] = exif(orientation).tobytes()
    data = saved(image, "HEIF", quality=95)
    assert (b"irot" in data, b"Exif" in data) == (orientation != 1, True)
    stored = canonical(data, "RGB", LIMIT)
    assert (stored.width, stored.height) == (48, 32)
    assert np.abs(np.asarray(Image.open(io.BytesIO(stored.data))).astype(int) - SMOOTH).mean() < 3


def test_the_first_or_primary_picture_counts() -> None:
    colours = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    several = {"save_all": True, "append_images": colours[1:]}
    for data, colour in (
        (saved(colours[0], "MPO", **several), (255, 0, 0)),
        (saved(colours[0], "AVIF", **several), (255, 0, 0)),
        (saved(colours[0], "HEIF", primary_index=2, **several), (0, 0, 255)),
    ):
        mean = np.asarray(decode(data, "RGB", LIMIT)).reshape(-1, 3).mean(0)
        assert np.abs(mean - colour).max() < 12
    assert canonical(saved(colours[0], "MPO", **several), "RGB", LIMIT)[1:] == ("jpg", 16, 16, "MPO RGB", True)


@pytest.mark.parametrize("orientation", [2, 6])
def test_a_turned_jpeg_is_stored_without_a_second_loss(orientation: int) -> None:
    data = saved(CAMERA[orientation](SMOOTH), "JPEG", exif=exif(orientation))
    stored = canonical(data, "RGB", LIMIT)
    assert (stored.extension, stored.kept) == ("png", False)
    np.testing.assert_array_equal(np.asarray(decode(stored.data, "RGB", LIMIT)), np.asarray(decode(data, "RGB", LIMIT)))
    assert np.abs(np.asarray(decode(data, "RGB", LIMIT)).astype(int) - SMOOTH).mean() < 3


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_changes_nothing(orientation: int) -> None:
    np.testing.assert_array_equal(
        np.asarray(decode(saved(PIXELS, "PNG", exif=exif(orientation)), "RGB", LIMIT)), PIXELS
    )


def test_plain_files_are_stored_as_they_are() -> None:
    grey = SMOOTH[..., 0]
    for pixels, mode in ((SMOOTH, "RGB"), (grey, "L")):
        for kind, extension in (("JPEG", "jpg"), ("PNG", "png")):
            data = saved(pixels, kind)
            assert canonical(data, mode, LIMIT) == (data, extension, 48, 32, f"{kind} {mode}", True)
    for kind in ("WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF", "JPEG2000", "PPM"):
        stored = canonical(saved(SMOOTH, kind), "RGB", LIMIT)
        assert (stored.extension, stored.kept) == ("png", False)
    assert not canonical(saved(SMOOTH, "JPEG"), "L", LIMIT).kept
    assert not canonical(saved(grey, "JPEG"), "RGB", LIMIT).kept


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_storing_again_changes_nothing(kind: str) -> None:
    for mode in ("RGB", "L"):
        once = canonical(saved(PIXELS, kind), mode, LIMIT)
        twice = canonical(once.data, mode, LIMIT)
        assert (twice.data, twice.kept) == (once.data, True)


def test_cmyk_becomes_the_colours_it_prints() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow, no cyan: red
    red = np.asarray(decode(saved(image, "JPEG", quality=100), "RGB", LIMIT)).reshape(-1, 3).mean(0)
    assert red[0] > 245
    assert red[1:].max() < 10
    grey = np.asarray(decode(saved(image, "TIFF"), "L", LIMIT))
    assert grey.mean() == pytest.approx(0.299 * 255, abs=2)


def test_sixteen_bits_keep_their_upper_eight() -> None:
    values = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16) + 255
    data = saved(Image.fromarray(values), "PNG")
    np.testing.assert_array_equal(np.asarray(decode(data, "L", LIMIT)), np.arange(256, dtype=np.uint8).reshape(16, 16))
    assert not canonical(data, "L", LIMIT).kept
    pgm = b"P5 16 16 65535\n" + values.astype(">u2").tobytes()
    np.testing.assert_array_equal(np.asarray(decode(pgm, "L", LIMIT)), np.asarray(decode(data, "L", LIMIT)))
    tiff = saved(Image.fromarray(values), "TIFF")
    np.testing.assert_array_equal(np.asarray(decode(tiff, "RGB", LIMIT))[..., 1], np.asarray(decode(data, "L", LIMIT)))


def test_sixteen_bit_colour_is_not_stored_as_it_is() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    wide = (PIXELS.astype(">u2") * 256 + 7).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    shape = struct.pack(">IIBBBBB", 20, 12, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", shape) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    np.testing.assert_array_equal(np.asarray(decode(data, "RGB", LIMIT)), PIXELS)
    assert not canonical(data, "RGB", LIMIT).kept


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_without_a_scale_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match="without a known scale"):
        decode(saved(Image.new(mode, (4, 4)), "TIFF"), "L", LIMIT)


def test_transparent_parts_lie_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((1, 0), 1)
    for data in (
        saved(image, "PNG", transparency=0),
        saved(image, "GIF", transparency=0),
        saved(image, "PNG", transparency=b"\x00\xff"),
    ):
        assert np.asarray(decode(data, "RGB", LIMIT)).tolist() == [[[255, 255, 255], [200, 0, 0]]]
    half = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert abs(np.asarray(decode(saved(half, "PNG"), "L", LIMIT)).item() - 127) <= 1
    keyed = saved(Image.new("RGB", (3, 3), (9, 9, 9)), "PNG", transparency=(9, 9, 9))
    assert np.asarray(decode(keyed, "RGB", LIMIT)).min() == 255
    assert not canonical(keyed, "RGB", LIMIT).kept
    assert np.asarray(decode(saved(Image.new("LA", (1, 1), (0, 0)), "PNG"), "L", LIMIT)).item() == 255


def test_palette_and_bilevel() -> None:
    palette = Image.fromarray(PIXELS).quantize(16)
    np.testing.assert_array_equal(
        np.asarray(decode(saved(palette, "PNG"), "RGB", LIMIT)), np.asarray(palette.convert("RGB"))
    )
    assert np.asarray(decode(saved(Image.fromarray(PIXELS[..., 0] > 99), "PNG"), "L", LIMIT)).max() == 255


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert np.asarray(decode(data, "RGB", LIMIT)).reshape(-1, 3).tolist() == [[255, 0, 0]] * 48
    assert not canonical(data, "RGB", LIMIT).kept


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("BMP", {}),
        ("GIF", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {}),
        ("HEIF", {}),
        ("JPEG2000", {}),
        ("JPEG2000", {"no_jp2": True, "tile_size": (8, 8)}),
        ("PPM", {}),
    ],
)
def test_a_truncated_file_is_refused_wherever_it_ends(kind: str, options: dict[str, object]) -> None:
    data = saved(PIXELS, kind, **options)
    whole = np.asarray(decode(data, "RGB", LIMIT))
    survived = 0
    reasons = set()
    for end in range(len(data)):
        try:
            pixels = np.asarray(decode(data[:end], "RGB", LIMIT))
        except ImageError as error:
            reasons.add(str(error))
            continue
        np.testing.assert_array_equal(pixels, whole, err_msg=f"{kind} cut at {end} of {len(data)} gives other pixels")
        assert not canonical(data[:end], "RGB", LIMIT).kept, "other decoders may want the end"
        survived += 1
    assert survived <= 20, "only what lies behind the pixels may be missing"
    assert not [reason for reason in reasons if "\n" in reason or " at 0x" in reason], "one line, equal on every run"


def test_reasons_say_what_is_wrong() -> None:
    jpeg = saved(SMOOTH, "JPEG")
    for data, reason in (
        (b"", "empty file"),
        (b"hello", "not a JPEG"),
        (b"<svg/>", "SVG, which is not read: render them as PNG"),
        (b"\x89PNG\r\n\x1a\n", "broken: begins like a PNG image"),
        (jpeg[: len(jpeg) // 2], "truncated"),
    ):
        with pytest.raises(ImageError, match=reason):
            decode(data, "RGB", LIMIT)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = saved(Image.new("1", (10_001, 10_001)), "PNG")
    assert len(bomb) < 50_000
    with pytest.raises(ImageError, match=r"more than 100000000 pixels: 10001 x 10001"):
        decode(bomb, "RGB", 100_000_000)
    assert decode(saved(PIXELS, "PNG"), "RGB", 240).size == (20, 12)
    with pytest.raises(ImageError, match="more than 239 pixels"):
        decode(saved(PIXELS, "PNG"), "RGB", 239)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_broken_metadata_does_not_cost_the_image() -> None:
    data = saved(PIXELS, "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff broken")
    np.testing.assert_array_equal(np.asarray(decode(data, "RGB", LIMIT)), PIXELS)


def test_to_square_leaves_an_image_of_that_size_alone() -> None:
    square = PIXELS[:, 4:16]
    np.testing.assert_array_equal(to_square(Image.fromarray(PIXELS), 12), square.transpose(2, 0, 1))
    np.testing.assert_array_equal(to_square(Image.fromarray(PIXELS[..., 0]), 12), square[None, ..., 0])
    assert to_square(Image.fromarray(PIXELS), 7).shape == (3, 7, 7)


def test_to_square_averages_when_it_shrinks() -> None:
    board = np.indices((64, 64)).sum(0) % 2 * 255
    assert np.abs(to_square(Image.fromarray(board.astype(np.uint8)), 8).astype(int) - 127).max() <= 1
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    small = to_square(Image.fromarray(ramp), 16)[0]
    exact = ramp.reshape(16, 4, 16, 4).mean((1, 3))
    assert np.abs(small - exact)[1:-1, 1:-1].max() <= 1
