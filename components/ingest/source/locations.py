"""Locations of files in a source: a whole object, or a byte range of an archive, which any process can read."""

import json
import zlib
from functools import cache
from typing import NamedTuple

from components.common.data.images import ImageError
from components.common.storage import open_store
from components.common.zips import inflated

BROKEN = "broken: its archive does not unpack here"
store_of = cache(open_store)  # one connection per process


class Location(NamedTuple):
    """A whole object of a store, or a stretch of one: a member of a tar or zip archive."""

    store: str
    key: str
    start: int = 0
    size: int = -1  # bytes there; -1: the whole object
    unpacked: int = -1  # bytes after inflating; -1: stored as they are
    crc: int = 0  # of the unpacked bytes, where they are deflated
    gzipped: bool = False  # `start` counts in the tar that the object unpacks to

    @property
    def is_member(self) -> bool:
        return self.size >= 0


class SourceFile(NamedTuple):
    """One image file of the source."""

    key: str  # path inside the source, `archive.tar/member.png` inside an archive
    size: int  # bytes; 0 where nobody has looked yet
    label: str | None  # what its folder, shard or table says
    given: str | None  # the split that its folder says
    location: Location | None = None  # None: at `key` in the source
    text: Location | str | None = None  # what stands beside it, or where
    etag: str = ""  # changes with the contents
    reason: str = ""  # why it is refused unread
    known: str = ""  # id of the bytes that it had, with this etag, when the version before was ingested
    is_image: bool = True  # by its name; else its first bytes decide
    attributes: str | None = None  # what a table says besides, see attributes.py


def shown(key: str) -> str:
    """The name as UTF-8 can hold it; file systems allow names that are no text."""
    return key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def as_text(location: Location | None) -> str | None:
    return None if location is None else json.dumps(location)


def from_text(text: str | None) -> Location | None:
    return None if text is None else Location(*json.loads(text))


def read(location: Location) -> bytes:
    """The bytes there; KeyError where there are none, ImageError where they do not unpack as promised."""
    store = store_of(location.store)
    if not location.is_member:
        return store.read(location.key)
    data = store.read_range(location.key, location.start, location.size) if location.size else b""
    return data if location.unpacked < 0 else _inflated(data, location)


def read_head(location: Location, size: int, count: int) -> bytes:
    """The first `count` bytes there, of `size`; errors as of `read`."""
    store = store_of(location.store)
    if not location.is_member:
        return store.read_range(location.key, 0, min(size, count))
    data = store.read_range(location.key, location.start, min(location.size, count))
    if location.unpacked < 0:
        return data
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, count)
    except zlib.error:
        raise ImageError(BROKEN) from None


def _inflated(data: bytes, location: Location) -> bytes:
    try:
        return inflated(data, location.unpacked, location.crc)
    except ValueError as error:
        raise ImageError(f"broken: {error}") from None
