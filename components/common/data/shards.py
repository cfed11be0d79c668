"""Tar shards: plain ustar, one image per member, with the index that DALI and WebDataset read (Aizman et al. 2019).

A shard holds no label and no metadata, and equal images in equal order give equal bytes. Packing by hand, not by
`tarfile`, since headers are all alike but for three fields, and offsets are wanted anyway.
"""

import hashlib
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

BLOCK = 512
END = bytes(2 * BLOCK)
FLUSH = 1 << 20  # bytes that are digested and written at a time: sha256 of small pieces is half as fast
# name, mode, uid, gid, size, mtime, checksum, type, link, magic, owner, group, device, prefix; fixed but for name, size
# and checksum.
_BEFORE_SIZE = b"0000644\0" + b"0000000\0" + b"0000000\0"
_AFTER_SIZE = b"\0" + b"00000000000\0"
_AFTER_SUM = b"0" + bytes(100) + b"ustar\x0000" + bytes(32 + 32 + 8 + 8 + 155 + 12)
_FIXED = sum(_BEFORE_SIZE) + sum(_AFTER_SIZE) + 8 * ord(" ") + sum(_AFTER_SUM)  # what they add to the checksum
_PADDING = [bytes(-size % BLOCK) for size in range(BLOCK)]  # after contents of `size` bytes, modulo BLOCK


class Member(NamedTuple):
    name: str  # <id>.<extension>
    offset: int  # first byte of the contents in the shard
    size: int  # bytes


class Packed(NamedTuple):
    """A closed shard on local disk."""

    path: Path
    sha256: str
    size: int  # bytes
    members: list[Member]


def header(name: str, size: int) -> bytes:
    """The 512 bytes before a member: mode 0644, owner 0, time 0 (POSIX.1-1988 ustar)."""
    text = name.encode("ascii")
    octal = b"%011o" % size
    if len(text) > 100 or len(octal) > 11:
        raise ValueError(f"{name!r} of {size} bytes does not fit a ustar header: at most 100 characters and 8 GiB")
    checksum = _FIXED + sum(text) + sum(octal)
    return b"%b%b%b%b%06o\0 %b" % (text.ljust(100, b"\0"), _BEFORE_SIZE, octal, _AFTER_SIZE, checksum, _AFTER_SUM)


class ShardWriter:
    """Packs images into `<folder>/<stem>-00000.tar`, -00001 and so on; each is closed once it holds `limit` bytes.

    Every shard gets its .idx beside it. Used as a context manager; afterwards `shards` holds what was packed.
    """

    def __init__(self, folder: Path, stem: str, limit: int) -> None:
        self.folder = folder
        self.stem = stem
        self.limit = limit
        self.shards: list[Packed] = []
        self._open: _Shard | None = None

    def add(self, name: str, data: bytes) -> tuple[int, int]:
        """Append one member; returns the number of the shard and the offset of the contents in it."""
        if self._open is None:
            self._open = _Shard(self.folder / f"{self.stem}-{len(self.shards):05d}.tar")
        number = len(self.shards)
        offset = self._open.add(name, data)
        if self._open.size >= self.limit:
            self._close()
        return number, offset

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._open is not None:
            self.shards.append(self._open.close())
            self._open = None


class _Shard:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.members: list[Member] = []
        self.digest = hashlib.sha256()
        self.file = path.open("wb")
        self._pending: list[bytes] = []
        self._flushed = 0  # bytes

    def add(self, name: str, data: bytes) -> int:
        offset = self.size + BLOCK
        padding = _PADDING[len(data) % BLOCK]
        self._pending += (header(name, len(data)), data, padding)
        self.members.append(Member(name, offset, len(data)))
        self.size = offset + len(data) + len(padding)
        if self.size - self._flushed >= FLUSH:
            self._flush()
        return offset

    def close(self) -> Packed:
        self._pending.append(END)
        self.size += len(END)
        self._flush()
        self.file.close()
        write_index(self.path.with_suffix(".idx"), self.members)
        return Packed(self.path, self.digest.hexdigest(), self.size, self.members)

    def _flush(self) -> None:
        data = b"".join(self._pending)
        self.file.write(data)
        self.digest.update(data)
        self._pending = []
        self._flushed = self.size


def write_index(path: Path, members: list[Member]) -> None:
    path.write_text(index_text(members), encoding="ascii")


def index_text(members: list[Member]) -> str:
    """The index of DALI's `readers.webdataset`, format v1.2: a line `extension offset size name` per member."""
    lines = [f"{name.partition('.')[2]} {offset} {size} {name}\n" for name, offset, size in members]
    return f"v1.2 {len(members)}\n" + "".join(lines)


def index_key(shard_key: str) -> str:
    """Where the store keeps the index of a shard."""
    return shard_key.removesuffix(".tar") + ".idx"
