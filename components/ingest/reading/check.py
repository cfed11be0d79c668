"""Read and check one image and the text beside it; pool.py calls this in processes that an image may crash."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from components.common.data.images import Canonical, ImageError, canonical_pixels
from components.common.data.kinds import HEAD, can_read, kind_of
from components.common.files import sha256_bytes
from components.common.forgotten import WHY as FORGOTTEN
from components.ingest.duplicates.thumbnails import thumbnail
from components.ingest.previous.ids import NOTHING, KnownIds
from components.ingest.source.filenames import extension_of, named_kind
from components.ingest.source.locations import Location, SourceFile, read, read_head, shown

TEXT_BYTES = 10_000  # a caption or a few paragraphs; the index is read whole by every stage

WHOLE = 256 << 10  # bytes up to which a file is read whole, where its first bytes are asked for: one request, not two


class Checked(NamedTuple):
    """An image that was read, or the reason why not."""

    key: str
    id: str  # sha256 of the source's bytes; empty where it is refused
    image: Canonical | None  # None where it is refused, or known from an earlier version
    reason: str  # empty where it is not refused
    text: str | None = None
    text_reason: str = ""  # why a text that lies beside it was not taken
    thumbnail: bytes = b""
    passed: str = ""  # the kind of an image that is not read, such as "camera RAW"
    other: str = ""  # the kind of a file that is no image, and does not claim to be one


class Fetched(NamedTuple):
    """The bytes of an image and of its text; None where they cannot be had, for the reason beside it. Of a file that
    turns out to be none that is read, they are the first ones.
    """

    data: bytes | None
    reason: str = ""
    text: bytes | None = None
    text_reason: str = ""


def fetch(source: str, file: SourceFile) -> Fetched:
    """Read from disk or network, which may take its time; nothing is decoded here."""
    if file.reason:
        return Fetched(None, file.reason)
    if not file.is_image and not file.size:
        return Fetched(b"")
    if file.known and not isinstance(file.text, Location):
        return Fetched(b"", "", file.text.encode(errors="replace") if file.text else None)
    location = file.location or Location(source, file.key)
    data, reason = _read(location) if file.is_image or file.size <= WHOLE else _begun(location, file)
    if data is None or file.text is None:
        return Fetched(data, reason)
    return Fetched(
        data, "", *((file.text.encode(errors="replace"), "") if isinstance(file.text, str) else _read(file.text))
    )


def check(
    file: SourceFile,
    fetched: Fetched,
    mode: str,
    max_pixels: int,
    known: KnownIds = NOTHING,
    forgotten: frozenset[str] = frozenset(),
) -> Checked:
    """Decode what was fetched, but for images whose ids are `known`: an earlier version has them; those that were
    `forgotten` are refused.
    """
    if fetched.data is None:
        return Checked(shown(file.key), "", None, fetched.reason)
    if not file.known:
        kind = kind_of(fetched.data[:HEAD], extension_of(file.key))
        if not kind and not file.is_image:
            return Checked(file.key, "", None, "", other=named_kind(extension_of(file.key)))
        if kind and not can_read(kind):
            return Checked(file.key, "", None, "", passed=kind)
    text, text_reason = _text(fetched.text) if fetched.text is not None else (None, fetched.text_reason)
    image_id = file.known or sha256_bytes(fetched.data)
    if image_id in forgotten:
        return Checked(file.key, "", None, FORGOTTEN)
    if image_id in known:
        return Checked(file.key, image_id, None, "", text, text_reason)
    try:
        image, pixels = canonical_pixels(fetched.data, mode, max_pixels)
    except ImageError as error:
        return Checked(file.key, "", None, str(error))
    return Checked(file.key, image_id, image, "", text, text_reason, thumbnail(pixels).tobytes())


def _begun(location: Location, file: SourceFile) -> tuple[bytes | None, str]:
    """All of a large file whose name does not say what it is, where it begins like an image that is read."""
    head, reason = _read(location, partial(read_head, size=file.size, count=HEAD))
    if head is None or not can_read(kind_of(head, extension_of(file.key))):
        return head, reason
    return _read(location)


def _read(location: Location, how: Callable[[Location], bytes] = read) -> tuple[bytes | None, str]:
    try:
        return how(location), ""
    except KeyError:
        return None, "not there: a broken link, or removed meanwhile"
    except ImageError as error:
        return None, str(error)
    except ValueError:
        return None, "not there: its name is not one that a file may have"
    except OSError as error:
        return None, f"cannot be read: {error.strerror or type(error).__name__}"


def _text(data: bytes) -> tuple[str | None, str]:
    """The text without the white space around it; None where nothing is left."""
    if len(data) > TEXT_BYTES:
        return None, f"text of more than {TEXT_BYTES} bytes: {len(data)}"
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        return None, f"text that is not UTF-8: at byte {error.start}"
    return (None, "text that holds NUL characters; save it as UTF-8") if "\0" in text else (text or None, "")
