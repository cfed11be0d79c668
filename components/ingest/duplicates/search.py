"""Find near-duplicate pairs by tangent distance between thumbnails, without comparing every two.

The coarse waves of all images are divided into cells; the middle window of an image says in which of them its copies
may lie. Those are asked by blocks, with a product of matrices; the few that pass are asked again with more waves, then
by pixels. This is done twice: with the thumbnails as they are, and for edited copies with equalised ones.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from components.ingest.duplicates.cells import Cells, divide
from components.ingest.duplicates.connections import Connections
from components.ingest.duplicates.kinds import EDITED, NEAR, Kind
from components.ingest.duplicates.rows import blocks, read_range, read_rows
from components.ingest.duplicates.tangents import (
    ENOUGH,
    FEW,
    VIEW,
    WAVES,
    Space,
    coarse,
    plausible,
    space,
    unit_waves,
    view,
    windows,
)

THREADS = 4  # at most
QUERIES, TILE = 2048, 2048  # rows asked about, and asked, at a time: bounds memory, as do
CHUNK, PAIRS, ALIGNED = 256, 4096, 128  # thumbnails looked at, pairs fitted by waves, pairs aligned by pixels


class Part(NamedTuple):
    """Rows of images, in the order of their cells."""

    rows: np.ndarray  # int64
    starts: np.ndarray  # of each cell, and the end: positions in rows
    views: BinaryIO  # of each row, VIEW


class Search(NamedTuple):
    """What the threads share."""

    thumbnails: BinaryIO
    kind: Kind
    cells: Cells
    connections: Connections


def find_pairs(thumbnails: Path, count: int, fresh: np.ndarray, scratch: Path) -> np.ndarray:
    """Pairs that connect what copies connect: int64 (pairs, 2), the first row of each component with all of its others.

    Two that are connected already are not compared, so a crowd of a thousand copies is a thousand pairs and not a
    million.

    thumbnails: file of uint8 (count, SIDE, SIDE), in the order of a digest; fresh: bool (count,), two that are not are
    not compared, as they were before. Blank thumbnails pair with nothing. Memory: 250 bytes an image; scratch holds
    1.1 KiB of each.
    """
    connections = Connections(count)
    threads = ThreadPoolExecutor(min(THREADS, len(os.sched_getaffinity(0))))
    with thumbnails.open("rb") as pictures, threadpool_limits(1), threads:
        for kind in (NEAR, EDITED):
            _connect_copies(pictures, kind, fresh[:count], connections, threads, scratch)
    return connections.pairs()


def _connect_copies(
    pictures: BinaryIO,
    kind: Kind,
    fresh: np.ndarray,
    connections: Connections,
    threads: ThreadPoolExecutor,
    scratch: Path,
) -> None:
    """Connect all copies of a kind of which at least one is fresh."""
    with ExitStack() as files:
        waves, *views = (files.enter_context(TemporaryFile(dir=scratch)) for _ in range(3))
        rows, few = _describe(pictures, kind, len(fresh), waves, threads)
        search = Search(pictures, kind, divide(few), connections)
        owners = search.cells.nearest(few)
        parts = []
        for wanted, file in zip((True, False), views, strict=True):
            chosen = np.flatnonzero(fresh[rows] == wanted)
            chosen = chosen[np.argsort(owners[chosen], kind="stable")]
            starts = np.searchsorted(owners[chosen], np.arange(len(search.cells.centres) + 1))
            parts.append(Part(rows[chosen], starts, file))
            list(threads.map(lambda block, part=parts[-1]: _write_views(waves, part, *block), _chunks(parts[-1].rows)))
        new, old = parts
        asked = [(new, block, parts) for block in blocks(0, len(new.rows), QUERIES)]
        asked += [(old, block, [new]) for block in blocks(0, len(old.rows), QUERIES) if len(new.rows)]
        list(threads.map(lambda one: _ask(search, *one), asked))


def _describe(
    pictures: BinaryIO, kind: Kind, count: int, waves: BinaryIO, threads: ThreadPoolExecutor
) -> tuple[np.ndarray, np.ndarray]:
    """Write the waves of each image that can have copies of this kind; return the rows of these, and FEW waves."""

    def look(block: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        images = read_range(pictures, *block)
        seen = np.flatnonzero(kind.admits(images))
        found = np.zeros(len(images), WAVES)
        found[seen] = unit_waves(kind.shown(images[seen]))
        os.pwrite(waves.fileno(), found.tobytes(), block[0] * WAVES.itemsize)
        return block[0] + seen, coarse(found[seen])

    parts = [(np.empty(0, np.int64), np.empty((0, FEW), np.int16)), *threads.map(look, blocks(0, count, CHUNK))]
    rows, few = (np.concatenate(part) for part in zip(*parts, strict=True))
    return rows, few


def _write_views(waves: BinaryIO, part: Part, low: int, high: int) -> None:
    views = view(read_rows(waves, part.rows[low:high], WAVES))
    os.pwrite(part.views.fileno(), views.tobytes(), low * VIEW.itemsize)


def _ask(search: Search, part: Part, block: tuple[int, int], others: list[Part]) -> None:
    """Connect images of a block of a part with those of the others that show a window of them."""
    waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for found in _candidates(search, part.rows[slice(*block)], others):
        waiting.append(found)
        if sum(len(a) for a, _, _ in waiting) >= ALIGNED:
            _judge(search, *map(np.concatenate, zip(*waiting, strict=True)))
            waiting = []
    if waiting:
        _judge(search, *map(np.concatenate, zip(*waiting, strict=True)))


def _candidates(
    search: Search, rows: np.ndarray, others: list[Part]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of which waves say that one is a window of one of the rows: rows (pairs,) of both, and windows (pairs, 4).

    Found one by one, so that what is judged in between is known to be connected.
    """
    spaces = _spaces(search, rows)
    reached = search.cells.reached(spaces.middle)
    for cell in np.flatnonzero(reached.any(0)):
        asked = np.flatnonzero(reached[:, cell])
        projection = spaces.projection[asked]
        for other in others:
            for low, high in blocks(other.starts[cell], other.starts[cell + 1], TILE):
                views = read_range(other.views, low, high, VIEW)
                near = np.flatnonzero(projection @ views["products"].astype(np.float32).T >= ENOUGH)
                for first, last in blocks(0, len(near), PAIRS):
                    a, b = np.divmod(near[first:last], high - low)
                    apart = search.connections.apart(rows[asked[a]], other.rows[low + b])
                    a = asked[a[apart]]
                    b = b[apart]
                    missed, window = windows(spaces, a, views["waves"][b])
                    kept = plausible(missed, window)
                    yield rows[a[kept]], other.rows[low + b[kept]], window[kept]


def _spaces(search: Search, rows: np.ndarray) -> Space:
    parts = [space(search.kind.shown(read_rows(search.thumbnails, rows[slice(*part)]))) for part in _chunks(rows)]
    return Space(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _judge(search: Search, a: np.ndarray, b: np.ndarray, window: np.ndarray) -> None:
    """Connect those of the pairs of rows of which pixels say that b is a copy of a."""
    order = search.connections.promising(a, b)
    for low, high in blocks(0, len(order), ALIGNED):
        asked = order[low:high]
        asked = asked[search.connections.apart(a[asked], b[asked])]
        if len(asked):
            one, other = (read_rows(search.thumbnails, rows[asked]) for rows in (a, b))
            found = asked[search.kind.judge(one, other, window[asked])]
            search.connections.join(a[found], b[found])


def _chunks(rows: np.ndarray) -> Iterator[tuple[int, int]]:
    return blocks(0, len(rows), CHUNK)
