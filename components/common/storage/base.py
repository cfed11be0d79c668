"""Shared by both kinds of store: what is known of an object, and the check of its digest."""

from pathlib import Path
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.files import sha256_bytes, sha256_file


class Stat(NamedTuple):
    key: str
    size: int  # bytes
    etag: str  # changes with the contents; in a folder's listing the time of the last change
    modified: float = float("inf")  # when it was written, in seconds since 1970 by the store's clock


class IntegrityError(BadInputError):
    """An object is not the one that was published."""


def exactly(data: bytes, size: int, name: str) -> bytes:
    if len(data) != size:
        raise IntegrityError(f"{name}: gave {len(data)} bytes where {size} were expected; run the stage again")
    return data


def difference(data: bytes, sha256: str, size: int) -> str:
    """How `data` differs from what was published; empty where it does not."""
    if len(data) != size:
        return f"{len(data)} bytes"
    digest = sha256_bytes(data)
    return "" if digest == sha256 else f"its sha256 is {digest}"


def other(name: str, found: str, sha256: str, size: int) -> IntegrityError:
    return IntegrityError(
        f"{name}: {found}, but {size} bytes of sha256 {sha256} were published; restore it or write it again"
    )


def verified(path: Path, sha256: str, size: int, name: str) -> Path:
    """`path` itself, where its contents are the expected ones."""
    found = f"{path.stat().st_size} bytes" if path.is_file() else "not there"
    if found == f"{size} bytes":
        digest = sha256_file(path)
        if digest == sha256:
            return path
        found = f"its sha256 is {digest}"
    raise other(name, found, sha256, size)
