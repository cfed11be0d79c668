"""Large objects in parallel parts, into a file and out of it."""

import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from components.common.files import sha256_file

PART = 8 << 20  # bytes of a part, and the size up to which an object travels in one piece
PARTS = 10_000  # of one upload, by S3's rules
THREADS = 8  # parts under way at a time, so that many times PART of memory
TRIES = 6  # of one part until two answers agree

Sent = TypeVar("Sent")


def send(path: Path, part: Callable[[int, bytes], Sent]) -> list[Sent]:
    """Call `part(number, data)` for each part of a file, numbers from 1; returns the answers in their order."""
    size = path.stat().st_size
    length = max(PART, -(-size // PARTS))

    with path.open("rb") as file, ThreadPoolExecutor(THREADS) as pool:
        return list(
            pool.map(lambda n: part(n + 1, os.pread(file.fileno(), length, n * length)), range(-(-size // length)))
        )


def receive(path: Path, sha256: str, size: int, part: Callable[[int, int], bytes]) -> str:
    """Fill `path` by calls of `part(start, length)`; returns the sha256 of what came.

    Ranges carry no digest. So where the whole is not the expected one, every part is fetched again until two answers
    agree: a damaged part costs the object once more, whatever its size.
    """
    starts = range(0, size, PART)
    with path.open("wb") as file, ThreadPoolExecutor(THREADS) as pool:

        def fetch(start: int) -> int:
            data = part(start, min(PART, size - start))
            os.pwrite(file.fileno(), data, start)
            return zlib.crc32(data)

        def confirm(start: int, first: int) -> None:
            seen = {first}
            for _ in range(TRIES):
                again = fetch(start)
                if again in seen:
                    return
                seen.add(again)

        sums = list(pool.map(fetch, starts))
        digest = sha256_file(path)
        if digest != sha256:
            list(pool.map(confirm, starts, sums))
            digest = sha256_file(path)
    return digest
