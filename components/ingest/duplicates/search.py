"""Near-duplicates among thumbnails: every pair is asked, most in a nanosecond or two; pairs become groups.

A picture may be a copy of another with up to a twentieth cut off at each edge. To first order its coarse cosine waves
then lie in the space that is spanned by those of the other's middle window and by what moving an edge adds to them
(tangent distance, Simard et al. 1993). How much of b lies in the space of a is the product of two vectors: the
projection onto that space, and all products of two waves of b. So a block of pairs is asked by one product of matrices.
The few that pass are asked again with more waves, then by pixels. Every answer depends on the two thumbnails alone, not
on what else is in the dataset.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import BinaryIO, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from components.ingest.duplicates.alignment import GRID, align
from components.ingest.duplicates.thumbnails import BLANK, CUT, KEPT, MIDDLE, SIDE, contrast, whole_waves, window_waves

THREADS = 4  # at most
QUERIES, TILE = 1024, 2048  # rows asked about, and asked, at a time: bounds memory, as do
CHUNK, PAIRS, ALIGNED = 256, 4096, 128  # thumbnails looked at, pairs fitted by waves, pairs aligned by pixels
FEW = 15  # waves of the first question
# of its vectors, rounded to whole numbers: sums below 2**24 are exact in float32, in whatever order they are added
SCALE = 2700
# share of b's energy that may lie outside of a's space: of the few coarsest waves, and of all
MISSED_FEW, MISSED = 0.0065, 0.0165
RIDGE = 1e-5  # keeps directions of a space that are nearly none from counting
# where waves may say that the edges of b lie in a
EDGE = np.array([-0.03, 0.92, -0.03, 0.92]), np.array([0.08, 1.03, 0.08, 1.03])
AREA = 1.03  # of b in a, at most: else it is a that was cropped, which is asked too
# most energy of the difference, as a share of the picture's: of a rough fit by pixels, and of the last
ROUGH, FINE = 0.012, 0.004
GAIN = 1.15  # most that contrast may have changed: the same garment in another grey is no copy

_I, _J = np.triu_indices(FEW)
_TWICE = np.where(_I == _J, 1, np.sqrt(2))  # products off the diagonal stand for two
VIEW = np.dtype([("waves", np.float32, KEPT), ("products", np.int16, len(_I))])  # of an image, in a temporary file


class Space(NamedTuple):
    """What windows of some images look like, to first order."""

    projection: np.ndarray  # of the FEW coarsest waves, SCALE is one: float32 (images, products)
    basis: np.ndarray  # orthonormal: float32 (images, 5, KEPT)
    # how much of the middle window and its four changes makes each vector of the basis: (images, 5, 5)
    weights: np.ndarray


class Search(NamedTuple):
    """What the threads share."""

    thumbnails: BinaryIO
    views: BinaryIO
    rows: np.ndarray  # of the thumbnails that are not blank, the fresh first: int64; the order of the views
    fresh: int  # how many of them are
    labels: np.ndarray  # of each the position of one that it is connected with, as far as is known: int64
    joining: Lock


def find_pairs(thumbnails: Path, count: int, fresh: np.ndarray, scratch: Path) -> np.ndarray:
    """Pairs that connect what near-duplicates connect: int64 (pairs, 2), the first row of each component with every
    other of it.

    Two that are connected already are not compared, so a crowd of a thousand copies is a thousand pairs and not a
    million.

    thumbnails: file of uint8 (count, SIDE, SIDE); fresh: bool (count,), two that are not are not compared, as they were
    before. Blank thumbnails pair with nothing. The time grows with count x fresh, memory hardly: views of all lie in a
    file in scratch.
    """
    with thumbnails.open("rb") as pictures, TemporaryFile(dir=scratch) as views, threadpool_limits(1):
        rows = _described(pictures, np.flatnonzero(fresh[:count]), views)
        new = len(rows)
        rows = np.concatenate([rows, _described(pictures, np.flatnonzero(~fresh[:count]), views)])
        views.flush()
        search = Search(pictures, views, rows, new, np.arange(len(rows)), Lock())
        blocks = [*_blocks(0, new, QUERIES), *(_blocks(new, len(rows), QUERIES) if new else ())]
        with ThreadPoolExecutor(min(THREADS, len(os.sched_getaffinity(0)))) as threads:
            list(threads.map(lambda block: _ask(search, *block), blocks))
    joined = np.flatnonzero(np.bincount(search.labels, minlength=1)[search.labels] > 1)
    first: dict[int, int] = {}
    pairs = [
        (first[label], row)
        for row, label in sorted(zip(rows[joined].tolist(), search.labels[joined].tolist(), strict=True))
        if first.setdefault(label, row) != row
    ]
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def connected(pairs: np.ndarray) -> dict[int, int]:
    """The lowest number of everyone's connected component, for those that are in a pair."""
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in pairs.tolist():
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return {node: root(node) for node in sorted(parent)}


def view(thumbnails: np.ndarray) -> np.ndarray:
    """Waves of length 1, and the products of each two of the FEW coarsest, these of length SCALE: VIEW (images,)."""
    waves = whole_waves(thumbnails)
    few = _unit(waves[:, :FEW])
    result = np.empty(len(waves), VIEW)
    result["waves"] = _unit(waves)
    result["products"] = np.round(SCALE * few[:, _I] * few[:, _J] * _TWICE)
    return result


def space(thumbnails: np.ndarray) -> Space:
    """The spaces of waves in which copies of each thumbnail lie, cropped or not."""
    waves = window_waves(thumbnails)
    few, _ = _orthonormal(waves[:, :, :FEW])
    projection = np.round(SCALE * (few.transpose(0, 2, 1) @ few)[:, _I, _J] * _TWICE)
    basis, weights = _orthonormal(waves)
    return Space(projection.astype(np.float32), basis.astype(np.float32), weights)


def windows(spaces: Space, a: np.ndarray, waves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit waves of b in the space of a: the share of b's energy outside of it (pairs,), and where in a that says b lies
    (pairs, 4).

    a: numbers of spaces (pairs,); waves: of length 1 (pairs, KEPT). Where only the negative of a would fit, all is
    outside.
    """
    inside = (spaces.basis[a] @ waves[..., None])[..., 0]
    missed = 1 - np.square(inside, dtype=np.float64).sum(1)
    weights = (inside[:, None].astype(np.float64) @ spaces.weights[a])[:, 0]
    gain = np.where(weights[:, 0] > 0, weights[:, 0], np.inf)
    outwards = weights[:, 1:] / gain[:, None] * CUT
    return np.where(weights[:, 0] > 0, missed, 1), MIDDLE + outwards * [-1, 1, -1, 1]


def same(a: np.ndarray, b: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Whether each b shows a window of a, near the given one: bool (pairs,). a, b: float32 (pairs, SIDE, SIDE)."""
    energy, gain, window = align(a, b, window, GRID, 1)
    result = (energy <= ROUGH) & (np.abs(np.log(gain)) <= np.log(GAIN))
    near = np.flatnonzero(result)
    if len(near):
        energy, gain, _ = align(a[near], b[near], window[near], SIDE, 4)
        result[near] = (energy <= FINE) & (np.abs(np.log(gain)) <= np.log(GAIN))
    return result


def _described(pictures: BinaryIO, rows: np.ndarray, views: BinaryIO) -> np.ndarray:
    """Append the views of those of the rows that are not blank, and return these."""
    kept = [np.empty(0, np.int64)]
    for start, stop in _blocks(0, len(rows), CHUNK):
        part = rows[start:stop]
        images = _read_thumbnails(pictures, part)
        seen = contrast(images) >= BLANK
        views.write(view(images[seen]).tobytes())
        kept.append(part[seen])
    return np.concatenate(kept)


def _ask(search: Search, start: int, stop: int) -> None:
    """Connect all near-duplicates of which the one is a window of another in rows[start:stop]; old ones are only asked
    about fresh.
    """
    parts = [
        space(_read_thumbnails(search.thumbnails, search.rows[low:high])) for low, high in _blocks(start, stop, CHUNK)
    ]
    spaces = Space(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    scores = np.empty((stop - start, TILE), np.float32)
    waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for low, high in _blocks(0, len(search.rows) if start < search.fresh else search.fresh, TILE):
        views = np.frombuffer(os.pread(search.views.fileno(), (high - low) * VIEW.itemsize, low * VIEW.itemsize), VIEW)
        inside = np.matmul(spaces.projection, views["products"].astype(np.float32).T, out=scores[:, : high - low])
        near = np.flatnonzero(inside >= (1 - MISSED_FEW) * SCALE**2)
        for first, last in _blocks(0, len(near), PAIRS):
            a, b = np.divmod(near[first:last], high - low)
            apart = search.labels[a + start] != search.labels[b + low]
            a = a[apart]
            b = b[apart]
            missed, window = windows(spaces, a, views["waves"][b])
            area = (window[:, 1] - window[:, 0]) * (window[:, 3] - window[:, 2])
            kept = ((window >= EDGE[0]) & (window <= EDGE[1])).all(1) & (area <= AREA) & (missed <= MISSED)
            waiting.append((a[kept] + start, b[kept] + low, window[kept]))
            if sum(len(a) for a, _, _ in waiting) >= ALIGNED:
                _connect(search, *map(np.concatenate, zip(*waiting, strict=True)))
                waiting = []
    if waiting:
        _connect(search, *map(np.concatenate, zip(*waiting, strict=True)))


def _connect(search: Search, a: np.ndarray, b: np.ndarray, window: np.ndarray) -> None:
    """Connect those of the pairs (positions in rows) of which pixels say that they are near-duplicates."""
    for low, high in _blocks(0, len(a), ALIGNED):
        i = a[low:high]
        j = b[low:high]
        apart = np.flatnonzero(search.labels[i] != search.labels[j])
        if not len(apart):
            continue
        i = i[apart]
        j = j[apart]
        one, other = (_read_thumbnails(search.thumbnails, search.rows[which]).astype(np.float32) for which in (i, j))
        found = same(one, other, window[low:high][apart])
        with search.joining:
            for x, y in zip(i[found], j[found], strict=True):
                low_label, high_label = sorted((search.labels[x], search.labels[y]))
                search.labels[search.labels == high_label] = low_label


def _read_thumbnails(file: BinaryIO, rows: np.ndarray) -> np.ndarray:
    """Thumbnails by row: uint8 (rows, SIDE, SIDE). Neighbours in the file are read at once."""
    result = np.empty((len(rows), SIDE, SIDE), np.uint8)
    edges = np.flatnonzero(np.diff(rows, prepend=-2, append=-2) != 1).tolist()
    for first, last in pairwise(edges):
        if os.preadv(file.fileno(), [result[first:last].data], int(rows[first]) * SIDE**2) < (last - first) * SIDE**2:
            raise ValueError(f"{file.name} ends before row {rows[last - 1]}")
    return result


def _blocks(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    return ((low, min(low + size, stop)) for low in range(start, stop, size))


def _orthonormal(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal combinations of the vectors of each image, and the weights that combine them: (images, 5, n),
    (images, 5, 5).
    """
    normal = vectors @ vectors.transpose(0, 2, 1)
    normal += np.eye(normal.shape[1]) * (RIDGE * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-12)
    weights = np.linalg.inv(np.linalg.cholesky(normal))
    return weights @ vectors, weights


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.sqrt(np.square(vectors).sum(1, keepdims=True)) + 1e-12)
