"""List tar and zip archives without extracting them: members are read at their offsets, never written by name.

Refused, each with its reason: names that lead out of the archive, links, devices, encrypted and overlapping members,
and whatever unpacks to many times its size.
"""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from components.common.files import new_file, sha256_bytes
from components.common.storage import open_store
from components.common.zips import BOMB_FREE, BOMB_RATIO, RefusedError, Stretch, wrong_name, zip_members
from components.ingest.source.locations import Location

EXTENSIONS = (".tar", ".tar.gz", ".tgz", ".zip")
HEADER_BYTES = 1 << 20  # longest extended header of a tar that is read at once
PIECE = 8 << 20  # bytes copied at a time
GZIP = b"\x1f\x8b"
FOLDER = "archives"  # of copies, in a scratch folder


class Member(NamedTuple):
    """A file in an archive, or why it is not taken; or a folder."""

    name: str
    location: Location | None
    reason: str = ""
    is_folder: bool = False


def is_archive(key: str) -> bool:
    return key.lower().endswith(EXTENSIONS)


def members(store: str, key: str, scratch: Path) -> Iterator[Member]:
    """Members in the archive's order; the last may be one without a name, for the archive as a whole.

    An archive of an S3 store is copied to `scratch`, one that is compressed as a whole is unpacked there, as `at_hand`
    does for who reads the members; `tidy` removes both.
    """
    try:
        gzipped = _is_gzipped(_local(store, key, scratch)) and not key.lower().endswith(".zip")
        path = _opened(store, key, gzipped, scratch)
        for name, stretch, reason in zip_members(path) if key.lower().endswith(".zip") else _tar(path):
            wrong = reason or wrong_name(name)
            if stretch is None:
                if not wrong:
                    yield Member(_normal(name), None, is_folder=True)
                continue
            start, size, unpacked, crc = stretch
            location = Location(store, key, start, size, unpacked, crc, gzipped)
            yield Member(_normal(name) if not wrong else name, None if wrong else location, wrong)
    except RefusedError as error:
        yield Member("", None, str(error))
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        struct.error,
        NotImplementedError,
        ValueError,
        OverflowError,
        RecursionError,
    ) as error:
        yield Member("", None, f"broken archive: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    except OSError as error:
        yield Member("", None, f"archive that cannot be read: {error.strerror or type(error).__name__}")


def at_hand(location: Location, scratch: Path) -> Location:
    """The same member where it is quickly read: in an archive on local disk, copied or unpacked to `scratch` at the
    first call.
    """
    path = _opened(location.store, location.key, location.gzipped, scratch)
    return location._replace(store=str(path.parent), key=path.name, gzipped=False)


def tidy(scratch: Path, keep: Location | None = None) -> None:
    """Remove all copies of archives, but for that of one member."""
    kept = {_copy(keep.store, keep.key, gzipped, scratch) for gzipped in (False, True)} if keep else set()
    for path in (scratch / FOLDER).glob("*"):
        if path not in kept:
            path.unlink()


def local_copy(store: str, key: str, scratch: Path) -> Path:
    """An object of an S3 store as one file in `scratch`, copied in pieces."""
    path = _copy(store, key, False, scratch)
    if path.exists():
        return path
    far = open_store(store)
    stated = far.stat(key)
    if stated is None:
        raise KeyError(key)
    with new_file(path) as temporary, temporary.open("wb") as file:
        for start in range(0, stated.size, PIECE):
            file.write(far.read_range(key, start, min(PIECE, stated.size - start)))
    return path


def _local(store: str, key: str, scratch: Path) -> Path:
    return local_copy(store, key, scratch) if store.startswith("s3://") else Path(store).expanduser() / key


def _opened(store: str, key: str, gzipped: bool, scratch: Path) -> Path:
    path = _local(store, key, scratch)
    return _unpacked(path, _copy(store, key, True, scratch)) if gzipped else path


def _copy(store: str, key: str, gzipped: bool, scratch: Path) -> Path:
    """A name of its own for each archive, and for the tar inside it."""
    name = sha256_bytes(f"{store}\n{key}".encode("utf-8", "surrogateescape"))[:32]
    return scratch / FOLDER / f"{name}{'.tar' if gzipped else ''}"


def _is_gzipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP


def _tar(path: Path) -> Iterator[tuple[str, Stretch, str]]:
    size = path.stat().st_size
    last = -1
    with path.open("rb") as raw, tarfile.open(fileobj=_Headers(raw), mode="r:") as tar:
        while (info := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # tarfile keeps them all
            if info.offset <= last:
                raise tarfile.ReadError("a header that leads back")
            last = info.offset
            if info.isdir():
                yield info.name, None, ""
                continue
            reason = (
                ""
                if info.isreg()
                else "a link in an archive"
                if info.islnk() or info.issym()
                else "a device or pipe in an archive"
            )
            if info.isreg() and info.issparse():
                reason = "sparse in its archive"
            elif info.isreg() and not 0 <= info.size <= size - info.offset_data:
                reason = "truncated: its archive ends before it"
            yield info.name, (info.offset_data, info.size, -1, 0), reason


class _Headers(io.RawIOBase):
    """A tar file of which only headers are read, so that no header can ask for all memory or for a way back."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self.file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()


def _unpacked(path: Path, target: Path) -> Path:
    """The tar inside a gzip file, as long as it does not grow suspiciously."""
    if target.exists():
        return target
    written = 0
    limit = BOMB_FREE + BOMB_RATIO * path.stat().st_size
    with gzip.open(path) as packed, new_file(target) as temporary, temporary.open("wb") as file:
        while piece := packed.read(1 << 20):
            written += len(piece)
            if written > limit:
                raise RefusedError(f"a bomb: unpacks to more than {BOMB_RATIO} times its size")
            file.write(piece)
    return target


def _normal(name: str) -> str:
    return PurePosixPath(name).as_posix()
