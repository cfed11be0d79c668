"""Lock a working folder: runs share it, and a clean-up has it alone."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


@contextmanager
def in_use(workdir: Path) -> Iterator[None]:
    """Share the folder for the block, by a lock that no killed process leaves; waits while somebody removes from it."""
    lock = _open(workdir)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{workdir}: waiting until `gleaner store gc` has ended", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


@contextmanager
def alone(workdir: Path, to_write: bool) -> Iterator[bool]:
    """Whether no run uses the folder; where it is `to_write`, none begins before the block ends."""
    if not to_write and not (workdir / LOCK).exists():
        yield True
        return
    lock = _open(workdir)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_free = True
        except BlockingIOError:
            is_free = False
        yield is_free
    finally:
        os.close(lock)


def _open(workdir: Path) -> int:
    workdir.mkdir(parents=True, exist_ok=True)
    return os.open(workdir / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
