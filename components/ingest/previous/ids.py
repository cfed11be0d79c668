"""Ids of an earlier version in a sorted file, for lookups by binary search from any process."""

import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from components.common.files import new_file

BYTES = 32  # of an id


@dataclass(frozen=True)
class KnownIds:
    """A container of ids; empty without a file."""

    path: str = ""
    count: int = 0

    def __len__(self) -> int:
        return self.count

    def __contains__(self, image: object) -> bool:
        if not self.count:
            return False
        mapped = _mapped(self.path)
        wanted = bytes.fromhex(str(image))
        low = 0
        high = self.count
        while low < high:
            middle = (low + high) // 2
            found = mapped[middle * BYTES : (middle + 1) * BYTES]
            if found == wanted:
                return True
            low, high = (middle + 1, high) if found < wanted else (low, middle)
        return False


NOTHING = KnownIds()


@cache
def _mapped(path: str) -> mmap.mmap:
    with Path(path).open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def write_known(path: Path, ids: Iterable[str]) -> KnownIds:
    """`ids`: ascending."""
    count = 0
    with new_file(path) as temporary, temporary.open("wb") as file:
        for image in ids:
            file.write(bytes.fromhex(image))
            count += 1
    return KnownIds(str(path), count)
