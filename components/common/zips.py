"""List the members of a zip without extracting them, and inflate one: they are read at their offsets.

Refused, each with its reason: names that lead out of the archive, links, devices, encrypted and overlapping members,
and whatever unpacks to many times its size.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

BOMB_RATIO, BOMB_FREE = 200, 64 << 20  # unpacked bytes per packed byte, and beyond that: image files hardly shrink
LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a member: signature, length of its name and of its extra field

Stretch = tuple[int, int, int, int] | None  # start, size, unpacked (-1: stored as it is), crc; None: a folder


class RefusedError(Exception):
    """Why a whole archive, or the rest of it, is not read."""


def zip_members(path: Path) -> Iterator[tuple[str, Stretch, str]]:
    """Name, place and why it is refused, of each member in the order of the archive. Raises RefusedError, or what
    `zipfile` and `struct` do where the archive is broken.
    """
    total = path.stat().st_size
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        if sum(info.file_size for info in infos) > BOMB_FREE + BOMB_RATIO * total:
            raise RefusedError(f"a bomb: unpacks to more than {BOMB_RATIO} times its size")
        ends = [*(info.header_offset for info in infos[1:]), total]  # one too many of an empty archive
        for info, end in zip(infos, ends, strict=False):
            if info.is_dir():
                yield info.filename, None, ""
                continue
            file.seek(info.header_offset)
            signature, name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
            start = info.header_offset + LOCAL_HEADER.size + name + extra
            reason = _wrong_member(info) or (
                "overlaps another member of its archive" if start + info.compress_size > end else ""
            )
            if signature != b"PK\x03\x04":
                reason = "broken: nothing is where its archive says"
            deflated = info.compress_type == zipfile.ZIP_DEFLATED
            unpacked = (info.file_size, info.CRC) if deflated else (-1, 0)
            yield info.filename, (start, info.compress_size, *unpacked), reason


def inflated(data: bytes, unpacked: int, crc: int) -> bytes:
    """The bytes of a deflated member. Raises ValueError where they are not `unpacked` bytes of that checksum."""
    try:
        found = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, unpacked + 1)
    except zlib.error:
        raise ValueError("its archive does not unpack here") from None
    if len(found) != unpacked or zlib.crc32(found) != crc:
        raise ValueError("it does not unpack to the bytes that its archive promises")
    return found


def wrong_name(name: str) -> str:
    """Why a member's name is refused; empty where it is not."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts:
        return "its name leads out of its archive"
    if not parts[0] or parts[0].endswith(":"):
        return "an absolute name in an archive"
    return "a name with a NUL in it" if "\0" in name else ""


def _wrong_member(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "a link in an archive"
    if kind not in (0, stat.S_IFREG):
        return "a device or pipe in an archive"
    if info.flag_bits & 1:
        return "encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "packed in a way that is not read: expected stored or deflated"
    if info.file_size > BOMB_FREE + BOMB_RATIO * info.compress_size:
        return f"a bomb: unpacks to more than {BOMB_RATIO} times its size"
    return ""
