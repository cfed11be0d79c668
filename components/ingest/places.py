"""Where the bytes of one file of a source lie, so that any process can read them without opening an archive by its names."""

import json
import zlib
from functools import cache
from typing import NamedTuple

from components.common.images import ImageError
from components.common.storage import open_store

store_of = cache(open_store)  # one connection per process


class Place(NamedTuple):
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


class Found(NamedTuple):
    """One image file of the source."""

    key: str  # path inside the source, `archive.tar/member.png` inside an archive
    size: int  # bytes; 0 where nobody has looked yet
    label: str | None  # what its folder, shard or table says
    given: str | None  # the split that its folder says
    place: Place | None = None  # None: at `key` in the source
    text: Place | str | None = None  # what stands beside it, or where
    etag: str = ""  # changes with the contents
    reason: str = ""  # why it is refused unread
    known: str = ""  # id of the bytes that it had, with this etag, when the version before was ingested


def as_text(place: Place | None) -> str | None:
    return None if place is None else json.dumps(place)


def from_text(text: str | None) -> Place | None:
    return None if text is None else Place(*json.loads(text))


def read(place: Place) -> bytes:
    """The bytes there; KeyError where there are none, ImageError where they do not unpack to what the archive promised."""
    store = store_of(place.store)
    if not place.is_member:
        return store.read(place.key)
    data = store.read_range(place.key, place.start, place.size) if place.size else b""
    return data if place.unpacked < 0 else _inflated(data, place)


def _inflated(data: bytes, place: Place) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = inflater.decompress(data, place.unpacked + 1)
    except zlib.error:
        raise ImageError("broken: its archive does not unpack here") from None
    if len(unpacked) != place.unpacked or zlib.crc32(unpacked) != place.crc:
        raise ImageError("broken: it does not unpack to the bytes that its archive promises")
    return unpacked
