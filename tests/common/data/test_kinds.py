"""What a file is, told by its first bytes: real files of each kind that can be written here, headers of the others."""

import io
import struct
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from components.common.data.kinds import HEAD, HEIC, PILLOW, RAW, SVG, can_read, kind_of, remedy

pillow_heif.register_heif_opener()  # so that HEIC can be written
PICTURE = Image.linear_gradient("L").resize((24, 16)).convert("RGB")
WRITTEN = {
    "JPEG": ["JPEG", "MPO"],
    "PNG": ["PNG"],
    "WebP": ["WEBP"],
    "AVIF": ["AVIF"],
    "HEIC": ["HEIF"],
    "JPEG 2000": ["JPEG2000"],
    "TIFF": ["TIFF"],
    "BMP": ["BMP"],
    "GIF": ["GIF"],
    "PPM": ["PPM"],
}


def written(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(tags: dict[int, int], order: str = "<", after: bytes = b"") -> bytes:
    """A TIFF of one directory; values are numbers of four bytes."""
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(after)) + after
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return start + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


def boxed(major: bytes, *brands: bytes) -> bytes:
    body = b"ftyp" + major + bytes(4) + b"".join(brands)
    return struct.pack(">I", len(body) + 4) + body + bytes(64)


def shorts(tag: int, value: int) -> bytes:
    """A big-endian TIFF whose one tag is a number of two bytes, which stands to the left."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, tag, 3, 1, value, 0, 0)


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_is_read_is_known_by_its_bytes(kind: str) -> None:
    for name in WRITTEN[kind]:
        assert kind_of(written(name)[:HEAD]) == kind
    assert can_read(kind)
    assert set(WRITTEN) == set(PILLOW)


def test_other_forms_of_what_is_read() -> None:
    assert kind_of(written("JPEG2000", no_jp2=True)) == "JPEG 2000"
    assert kind_of(written("TIFF", big_tiff=True)) == "TIFF"
    for header in (b"P5 24 16 255\n", b"P3\n# made by hand\n24 16\n255\n", b"P4\n24 16\n"):
        assert kind_of(header + b"0") == "PPM"
    assert kind_of(boxed(b"mif1", b"mif1", b"avif")) == "AVIF"
    assert kind_of(boxed(b"mif1", b"mif1", b"heic")) == "HEIC"
    assert kind_of(boxed(b"msf1", b"hevc")) == "HEIC"


@pytest.mark.parametrize(
    "head",
    [
        b"FUJIFILMCCD-RAW 0201FF129502",
        b"IIRO\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
        b"\0MRM\0\0\0\0",
        b"FOVb\0\0\2\0",
        b"II\x1a\0\0\0HEAPCCDR",
        boxed(b"crx ", b"isom"),
        tiff({0x100: 5184}, after=b"CR\2\0\0\0\0\0"),  # CR2
        tiff({0xFE: 1, 0x14A: 400}),  # NEF, ARW: a preview first
        tiff({0xFE: 1, 0x14A: 400}, ">"),
        tiff({0xFE: 0, 0xC612: 0x0401}),  # DNG
        tiff({0x106: 32803}),  # a colour filter array
        tiff({0x103: 34713}),
        shorts(0x106, 34892),
    ],
)
def test_camera_raw_is_known_by_its_bytes(head: bytes) -> None:
    assert kind_of(head) == RAW
    assert not can_read(RAW)


def test_a_tiff_is_raw_by_its_name_where_its_bytes_are_plain() -> None:
    plain = written("TIFF")
    assert (kind_of(plain, ".nef"), kind_of(plain, ".tif"), kind_of(plain)) == (RAW, "TIFF", "TIFF")
    pages = io.BytesIO()
    PICTURE.save(pages, "TIFF", save_all=True, append_images=[PICTURE])
    assert kind_of(pages.getvalue()) == "TIFF"
    assert kind_of(tiff({0xFE: 0, 0x14A: 400})) == "TIFF", "a picture, and smaller ones of it below"
    assert kind_of(b"II*\0\xff\xff\xff\xff") == "TIFF", "a directory beyond what was read"
    assert kind_of(written("JPEG"), ".nef") == "JPEG"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", SVG),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- drawn -->\n<svg>", SVG),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0", "icon"),
    ],
)
def test_images_that_are_not_read_have_a_name_and_a_remedy(head: bytes, kind: str) -> None:
    assert kind_of(head) == kind
    assert not can_read(kind)
    assert remedy(kind)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"hello",
        b"BMW is a maker of cars and motorcycles",
        b"P3 is a column of the table",
        b"<?xml version='1.0'?><note/>",
        b"<html><body>text</body></html>",
        b"RIFF\0\0\0\0WAVEfmt ",
        boxed(b"isom", b"mp42"),
        boxed(b"qt  "),
        b"PK\3\4",
        bytes(HEAD),
        b"\0\0\1\xba\x44\0\4\0\4\1",  # MPEG
    ],
)
def test_what_is_no_image(head: bytes) -> None:
    assert kind_of(head) == ""
    assert not can_read("")


def test_the_remedy_for_pictures_of_phones_is_a_command() -> None:
    assert "pip install 'gleaner[heic]'" in remedy(HEIC)
