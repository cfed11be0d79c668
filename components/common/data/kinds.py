"""Tell what kind of image a file is by its first bytes, whatever its name is."""

import re
from functools import cache

HEAD = 4096  # first bytes of a file that are enough to tell

RAW, SVG, HEIC, AVIF, JPEG_2000, TIFF = "camera RAW", "SVG", "HEIC", "AVIF", "JPEG 2000", "TIFF"
PILLOW = {  # kinds that are read, and Pillow's names of their formats
    "JPEG": "JPEG",  # MPO too: a JPEG with more pictures behind it
    "PNG": "PNG",
    "WebP": "WEBP",
    AVIF: "AVIF",
    HEIC: "HEIF",
    JPEG_2000: "JPEG2000",
    TIFF: "TIFF",
    "BMP": "BMP",
    "GIF": "GIF",
    "PPM": "PPM",
}
REMEDIES = {  # for kinds that are passed over
    RAW: "develop them to JPEG, PNG or TIFF",
    SVG: "render them as PNG",
    HEIC: "pip install 'gleaner[heic]' and run again",
}
REMEDY = "convert them to PNG or JPEG"

MARKS = (  # (offset, bytes, kind), the most frequent first
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (4, b"jP  \r\n\x87\n", JPEG_2000),
    (0, b"\xff\x4f\xff\x51", JPEG_2000),  # a codestream without the boxes of a JP2 file
    (0, b"FUJIFILMCCD-RAW", RAW),
    (0, b"IIRO", RAW),  # Olympus
    (0, b"IIRS", RAW),
    (0, b"MMOR", RAW),
    (0, b"IIU\0", RAW),  # Panasonic
    (0, b"\0MRM", RAW),  # Minolta
    (0, b"FOVb", RAW),  # Sigma
    (6, b"HEAPCCDR", RAW),  # Canon's CRW
    (4, b"JXL \r\n\x87\n", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"8BPS", "Photoshop"),
    (0, b"gimp xcf", "GIMP"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"#?RGBE", "Radiance HDR"),
    (0, b"%!PS-Adobe", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"FLIF", "FLIF"),
    (0, b"icns", "icon"),
    (0, b"P7\n", "PAM"),
    (128, b"DICM", "DICOM"),
)
PPM = re.compile(rb"P[1-6]\s(#[^\n]*\n|\s)*\d+\s")
SVG_START = re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml|<!--|<!DOCTYPE svg|<svg)")
BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # bytes of the second header, which tell its version
AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")

# TIFF 6, TIFF/EP and DNG 1.6: tags of the first directory that an ordinary TIFF does not have
SUBFILE, COMPRESSION, PHOTOMETRIC, SUB_DIRECTORIES, DNG_VERSION = 0x00FE, 0x0103, 0x0106, 0x014A, 0xC612
SENSOR = {32803, 34892}  # photometric interpretations: a colour filter array, linear raw
PACKED = {32767, 34713, 65000, 65535}  # compressions of Sony, Nikon, Kodak and Pentax
# Some cameras write a plain TIFF around their pixels; then only the name is left to tell.
RAW_NAMES = (
    ".3fr .arw .cr2 .dcr .dng .erf .fff .iiq .k25 .kdc .mef .mos .nef .nrw .orf .pef .ptx .raw .rwl .sr2 .srf .srw"
)
RAW_EXTENSIONS = frozenset(RAW_NAMES.split())


def kind_of(head: bytes, extension: str = "") -> str:
    """The kind of image that a file begins like, such as "PNG"; empty where it is none that is known.

    head: its first HEAD bytes. extension: that of its name, such as ".nef".
    """
    for offset, mark, kind in MARKS:
        if head.startswith(mark, offset):
            return kind
    if head.startswith(TIFF_STARTS):
        return RAW if extension in RAW_EXTENSIONS or _is_raw(head) else TIFF
    if head[4:8] == b"ftyp":
        return _boxed(head)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in BMP_HEADERS:
        return "BMP"
    if (
        head.startswith((b"\0\0\1\0", b"\0\0\2\0"))
        and head[4:5] not in (b"", b"\0")
        and head[5:6] == head[9:10] == b"\0"
    ):
        return "icon"
    if PPM.match(head):
        return "PPM"
    return SVG if SVG_START.match(head) and b"<svg" in head else ""


@cache
def can_read(kind: str) -> bool:
    """Whether images of that kind can be decoded here: HEIC needs pillow-heif, an extra."""
    if kind == AVIF:
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # images are decoded side by side already
        return AvifImagePlugin.SUPPORTED
    if kind == HEIC:
        try:
            import pillow_heif
        except ImportError:
            return False
        pillow_heif.options.DECODE_THREADS = 1
        pillow_heif.register_heif_opener()
        return True
    return kind in PILLOW


def remedy(kind: str) -> str:
    """What to do about images of a kind that is not read."""
    return REMEDIES.get(kind, REMEDY)


def _boxed(head: bytes) -> str:
    """The kind of a file of ISO boxes (ISO/IEC 14496-12), by its brands; a video is none."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
    if b"crx " in brands:  # Canon's CR3
        return RAW
    if brands & AVIF_BRANDS:
        return AVIF
    return HEIC if brands & HEIC_BRANDS else ""


def _is_raw(head: bytes) -> bool:
    """Whether a TIFF holds what a sensor saw: by the tags of its first directory, as far as `head` goes."""
    if head[8:10] == b"CR":  # Canon's CR2
        return True
    order = "little" if head.startswith(b"II") else "big"

    def number(start: int, size: int) -> int:
        return int.from_bytes(head[start : start + size], order)  # type: ignore[arg-type]

    first = number(4, 4)
    tags = {}
    for entry in range(first + 2, first + 2 + 12 * number(first, 2), 12):
        if entry + 12 > len(head):
            break
        is_short = number(entry + 2, 2) == 3
        tags[number(entry, 2)] = number(entry + 8, 2 if is_short else 4)
    is_preview = tags.get(SUBFILE, 0) & 1 == 1 and SUB_DIRECTORIES in tags  # a small picture first, the large one below
    return DNG_VERSION in tags or tags.get(PHOTOMETRIC) in SENSOR or tags.get(COMPRESSION) in PACKED or is_preview
