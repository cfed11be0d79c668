"""A folder as a store."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from components.common.errors import BadInputError
from components.common.files import new_file, sha256_bytes, sha256_file
from components.common.storage.base import Stat, difference, exactly, other, verified

LOCK = ".gleaner.lock"
ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class FolderStore:
    """A folder as a store: keys are relative paths, an etag is the sha256, writers take turns by a lock file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = str(root)

    def read(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except ABSENT:
            raise KeyError(key) from None

    def read_range(self, key: str, start: int, size: int) -> bytes:
        try:
            with self._path(key).open("rb") as file:
                file.seek(start)
                return exactly(file.read(size), size, f"{self.uri}/{key}")
        except ABSENT:
            raise KeyError(key) from None

    def read_verified(self, key: str, sha256: str, size: int) -> bytes:
        """All of an object whose digest is known; IntegrityError where it is gone or another."""
        try:
            data = self.read(key)
        except KeyError:
            raise other(f"{self.uri}/{key}", "not there", sha256, size) from None
        if found := difference(data, sha256, size):
            raise other(f"{self.uri}/{key}", found, sha256, size)
        return data

    def write(self, key: str, data: bytes) -> str:
        with self._locked():
            return self._put(key, data)

    def write_if_absent(self, key: str, data: bytes) -> bool:
        return self.replace_if_unchanged(key, data, None)

    def replace_if_unchanged(self, key: str, data: bytes, etag: str | None) -> bool:
        """`etag` None: the object must be absent. False where someone was faster."""
        with self._locked():
            now = self.stat(key)
            if (now.etag if now else None) != etag:
                return False
            self._put(key, data)
            return True

    def stat(self, key: str) -> Stat | None:
        path = self._path(key)
        if not path.is_file():
            return None
        stat = path.stat()
        return Stat(key, stat.st_size, sha256_file(path), stat.st_mtime)

    def now(self) -> float:
        """Seconds since 1970 by this machine's clock; on a network's disk `modified` follows another."""
        return time.time()

    def list(self, prefix: str = "", folders: bool = False) -> Iterator[Stat]:
        """Objects whose key starts with `prefix`, in no order, as they are found; links are followed, a loop of links
        only once. `folders`: those too, with a key that ends in a slash.

        Their etag is the time of the last change: a digest would cost reading every file.
        """
        left = [self.root / prefix.rpartition("/")[0]]
        seen = set[str]()
        while left:
            folder = left.pop()
            real = os.path.realpath(folder)
            if real in seen or not folder.is_dir():
                continue
            seen.add(real)
            inside = "" if folder == self.root else f"{folder.relative_to(self.root).as_posix()}/"
            with os.scandir(folder) as entries:
                for entry in entries:
                    key = inside + entry.name
                    if entry.is_dir():
                        if not f"{key}/".startswith(prefix):
                            continue
                        left.append(Path(entry.path))
                        if folders:
                            yield Stat(f"{key}/", 0, "")
                    elif key.startswith(prefix) and (stat := _stat(entry)):
                        yield Stat(key, *stat)

    def upload(self, key: str, path: Path) -> None:
        with new_file(self._path(key)) as temporary:
            shutil.copyfile(path, temporary)

    def local(self, key: str, sha256: str, size: int) -> Path:
        """The object's own file, verified; IntegrityError where it is gone or another."""
        return verified(self._path(key), sha256, size, f"{self.uri}/{key}")

    def let_go(self, path: Path) -> None:
        """Nothing here: a folder's own files are no copies."""

    def clean_uploads(self, prefix: str, hours: float, only_count: bool = False) -> int:
        """Remove what killed writers left half written under `prefix`, where it is older than `hours`; returns how
        many.
        """
        old = time.time() - hours * 3600
        left = [
            path for path in (self.root / prefix).rglob(".*.partial") if path.is_file() and path.stat().st_mtime < old
        ]
        for path in () if only_count else left:
            path.unlink(missing_ok=True)
        return len(left)

    def delete(self, key: str) -> None:
        with self._locked():
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if any(part in ("", ".", "..") for part in key.split("/")):
            raise ValueError(f"{key!r} is not a key: expected names joined by single slashes")
        return self.root / key

    def _put(self, key: str, data: bytes) -> str:
        with new_file(self._path(key)) as temporary:
            temporary.write_bytes(data)
        return sha256_bytes(data)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = (self.root / LOCK).open("ab")
        except OSError as error:
            raise BadInputError(
                f"{self.uri}: cannot be written ({error.strerror}); give a folder of yours as the store"
            ) from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _stat(entry: "os.DirEntry[str]") -> tuple[int, str, float] | None:
    """Size and time of the last change, as an etag and in seconds; a broken link is listed, a pipe is not, nor what
    this module keeps itself.
    """
    if entry.name == LOCK or (entry.name.startswith(".") and entry.name.endswith(".partial")):
        return None
    try:
        stat = entry.stat()
    except OSError:
        return 0, "", float("inf")
    return (stat.st_size, f"{stat.st_mtime_ns:x}", stat.st_mtime) if S_ISREG(stat.st_mode) else None
