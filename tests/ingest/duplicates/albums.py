"""Thumbnails of photos, of copies of them and of digits; and the groups that a search finds."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from components.ingest.duplicates.connections import connected
from components.ingest.duplicates.search import find_pairs
from components.ingest.duplicates.thumbnails import thumbnail
from components.ingest.example import mnist
from tests import natural

KINDS = (*natural.KINDS, *natural.EDITS)


@cache
def digits() -> list[Image.Image]:
    return [Image.fromarray(one) for one in mnist()[0][::4]]


def thumbnails_of(images: list[Image.Image]) -> np.ndarray:
    return np.stack([thumbnail(image) for image in images])


def album(patches: int, others: int, kinds: tuple[str, ...] = KINDS) -> np.ndarray:
    """Patches, a copy of each of a kind in turn, digits, and blanks."""
    draws = np.random.default_rng(3)
    originals = natural.patches(160, 160)[:patches]
    copies = [natural.copy(image, kinds[number % len(kinds)], draws) for number, image in enumerate(originals)]
    blank = Image.new("L", (9, 9), 7)
    return thumbnails_of([*originals, *copies, *digits()[:others], blank, blank])


def groups_in(thumbnails: np.ndarray, fresh: np.ndarray | None = None) -> dict[int, int]:
    """The first row of the group of each row that is in one."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "thumbnails"
        path.write_bytes(thumbnails.tobytes())
        pairs = find_pairs(
            path, len(thumbnails), np.ones(len(thumbnails), bool) if fresh is None else fresh, path.parent
        )
        assert [entry.name for entry in Path(folder).iterdir()] == ["thumbnails"]
    assert pairs.tolist() == sorted([a, b] for a, b in {(a, b) for a, b in pairs.tolist() if a < b})
    return connected(pairs)


def as_array(pairs: set[tuple[int, int]]) -> np.ndarray:
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)
