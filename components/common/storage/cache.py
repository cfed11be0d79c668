"""A cache of shards on local disk: named and verified by sha256, shared by processes, bounded in bytes.

Least recently used copies are removed first. A copy in use stays: its reader holds a shared lock on the file until
`let_go` or the end of the process, SIGKILL included. Where all copies are in use, the bound is exceeded.
GLEANER_CACHE_GB is the bound (100); a fuller disk lowers it.
"""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.files import new_file, sha256_file

DEFAULT_GB = 100.0
SPARE = 1 << 30  # bytes of the disk that are left to others
STALE = 24 * 3600  # seconds after which a half-written copy belongs to a killed process


class _Held(NamedTuple):
    file: int  # descriptor with a shared lock
    mark: tuple[int, int, int]  # of the file that was verified
    readers: int


_held: dict[Path, _Held] = {}
_guard = threading.Lock()


def cache_folder() -> Path:
    """Where downloaded shards are kept, named by their sha256."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gleaner" / "shards"


def cached(sha256: str, size: int, fetch: Callable[[Path], None]) -> Path:
    """A verified copy, held for the caller until `let_go`; `fetch` writes it to the path given, and must verify it.

    Of several processes that want one object, one fetches and the others wait.
    """
    path = cache_folder() / sha256
    if _hold(path, sha256, size):
        return path
    with _turn(path.parent, sha256[:2]):
        fetched = False
        while not _hold(path, sha256, size, known=fetched):
            with _turn(path.parent, "room"):
                _make_room(path.parent, size)
            with new_file(path) as temporary:
                fetch(temporary)
            fetched = True
    return path


def let_go(path: Path) -> None:
    """Give back what `cached` gave: the file may leave once none of its readers is left."""
    with _guard:
        held = _held.pop(path, None)
        if held and held.readers > 1:
            _held[path] = held._replace(readers=held.readers - 1)
        elif held:
            os.close(held.file)


def _hold(path: Path, sha256: str, size: int, known: bool = False) -> bool:
    """Take a shared lock on a copy that is the right one, or `known` to be; False where there is none."""
    with _guard:
        held = _held.get(path)
        if held and held.mark == _mark(path):  # verified before, and nobody has touched it since
            _held[path] = held._replace(readers=held.readers + 1)
            _touch(path)
            return True
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    fcntl.flock(file, fcntl.LOCK_SH)
    mark = _mark(path)  # after the lock: it may have been removed or replaced before
    right = (
        mark is not None
        and mark[0] == os.fstat(file).st_ino
        and mark[1] == size
        and (known or sha256_file(path) == sha256)
    )
    if mark is None or not right:
        os.close(file)
        return False
    with _guard:
        before = _held.get(path)
        _held[path] = _Held(file, mark, before.readers + 1 if before else 1)
        if before:
            os.close(before.file)
    _touch(path)
    return True


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _touch(path: Path) -> None:
    """Note the use in the time of access; that of modification says whether the contents were touched."""
    with suppress(OSError):
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def _make_room(folder: Path, size: int) -> None:
    """Remove unused copies, longest unused first, until `size` bytes fit."""
    copies: list[tuple[int, int, Path]] = []
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):  # other processes come and go
            stat = entry.stat()
            if entry.name.endswith(".partial") and time.time() - stat.st_mtime > STALE:
                Path(entry.path).unlink(missing_ok=True)
            elif len(entry.name) == 64:
                copies.append((stat.st_atime_ns, stat.st_size, Path(entry.path)))
    room = min(cache_bytes() - sum(copy[1] for copy in copies), shutil.disk_usage(folder).free - SPARE)
    for _, freed, path in sorted(copies):
        if room >= size:
            return
        if _remove(path):
            room += freed


def _remove(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError:  # being read, or gone
        return False
    return True


def cache_bytes() -> int:
    """The bound: what copies may take of the disk where none of them is held."""
    given = os.environ.get("GLEANER_CACHE_GB") or DEFAULT_GB
    try:
        limit = float(given)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise BadInputError(f"GLEANER_CACHE_GB={given}: expected a number of gigabytes, such as 100")
    return int(limit * 1e9)


@contextmanager
def _turn(folder: Path, name: str) -> Iterator[None]:
    locks = folder / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
