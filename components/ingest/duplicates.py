"""Near-duplicates: hashes find candidates without comparing all pairs, pixels confirm them, pairs become groups.

A hash of 8 bytes that differs from another in at most 6 bits has two bytes untouched, wherever the bits fall (Manku et al. 2007
index simhashes so). So images are filed once under each pair of their bytes, and only those in the same file are compared.
"""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np

from components.ingest.looks import SIDE, WINDOWS

RADIUS = 7  # most bits between the hashes of a pair; up to 6 none is missed, of those with 7 nearly none
CROWD = 2000  # a file of more images than this says nothing about two of them
QUERIES, CODES = 20_000, 1 << 21  # looked up, and kept with repetitions, at a time: bounds memory
PAIRS, ALIGNED = 4096, 128  # compared at a time by waves, and by pixels
STEPS = 4  # of Gauss-Newton
GRID = 16  # side of the picture on which two images must agree: what a re-encoding or a resampling does to single pixels is lost
COARSE, FINE = 0.008, 0.004  # most energy of the difference, as a share of the picture's: between waves, and on that grid
REACH, SPILL = 0.1, 0.03  # of the side: how far inside and outside of a the edges of b may lie
LIMITS = np.array([-SPILL, 1 - REACH, -SPILL, 1 - REACH]), np.array([REACH, 1 + SPILL, REACH, 1 + SPILL])


def groups(ids: list[str], hashes: np.ndarray, records: np.ndarray, seen: np.ndarray) -> dict[str, str]:
    """The first id, in the order of ids, of every image's group: {id: group} for the images that have near-duplicates.

    hashes: uint64 (images, windows), records: RECORD (images,), seen: bool (images,), False for those to leave out.
    """
    rows = np.array(sorted(np.flatnonzero(seen).tolist(), key=ids.__getitem__), np.int64)
    pairs, windows = candidates(hashes[rows])
    kept = pairs[confirmed(records, rows[pairs], windows)]
    return {ids[rows[row]]: ids[rows[first]] for row, first in connected(kept).items()}


def candidates(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (a, b) where a window of a has nearly the hash of the whole of b: int64 (pairs, 2), and the nearest window.

    A pair may also come the other way round: which of two is the cropped one is not known yet.
    """
    count = len(hashes)
    found = np.empty(0, np.int64)
    if count < 2:
        return found.reshape(0, 2), found
    assert count < 1 << 26  # two rows, a distance and a window share 63 bits
    whole = np.ascontiguousarray(hashes[:, 0])
    in_bytes = hashes.view(np.uint8).reshape(count, len(WINDOWS), 8)
    fresh = [_neighbours(whole)]
    for i, j in combinations(range(8), 2):
        for codes in _same_file(hashes, in_bytes[..., i].astype(np.int32) << 8 | in_bytes[..., j]):
            fresh.append(codes)
            if sum(map(len, fresh)) > CODES:
                found, fresh = _nearest([found, *fresh]), []
    found = _nearest([found, *fresh])
    return np.stack([found >> 33, found >> 7 & (1 << 26) - 1], 1), found & 15


def confirmed(records: np.ndarray, pairs: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Whether each pair shows one picture: bool (pairs,). First by their waves, then the few that are left by their pixels."""
    result = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), PAIRS):
        rows = np.arange(start, min(start + PAIRS, len(pairs)))
        window, energy = fit_waves(records["waves"], pairs[rows], windows[rows])
        rows, window = rows[energy <= COARSE], window[energy <= COARSE]
        for part in range(0, len(rows), ALIGNED):
            one = rows[part : part + ALIGNED]
            a, b = (records["thumbnail"][pairs[one, side]].astype(np.float32) for side in (0, 1))
            result[one] = align(a, b, window[part : part + ALIGNED]) <= FINE
    return result


def fit_waves(waves: np.ndarray, pairs: np.ndarray, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the waves of b by those of a's window and of the four windows that differ from it in one cut, least squares.

    Cuts are small, so waves change nearly evenly with them: the weights say where b's window lies. Returns the windows
    (pairs, 4) and the energy of what remains, as a share of b's.
    """
    near = windows[:, None] ^ np.array([0, 1, 2, 4, 8])
    models = waves[pairs[:, :1], near].astype(np.float64)
    target = waves[pairs[:, 1], 0].astype(np.float64)
    normal = models @ models.transpose(0, 2, 1)
    normal += np.eye(5) * (1e-4 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-12)
    weights = np.linalg.solve(normal, models @ target[..., None])
    rest = target - (weights * models).sum(1)
    energy = np.square(rest).sum(1) / (np.square(target).sum(1) + 1e-12)
    gain = weights.sum(1)
    where = (weights * WINDOWS[near]).sum(1) / np.where(np.abs(gain) > 1e-6, gain, 1)
    return np.clip(where, *LIMITS), energy


def align(a: np.ndarray, b: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Fit the window of a that looks like b by Gauss-Newton (Lucas and Kanade 1981), brightness and contrast set aside.

    a, b: float32 (pairs, SIDE, SIDE); window: (pairs, 4), where to start: left, right, top, bottom as shares of the side.
    Returns the energy of what differs on a GRID x GRID picture, as a share of b's (0 for equal, 2 for unrelated): (pairs,).
    """
    place = ((np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)
    target = _unit(b)
    for _ in range(STEPS):
        shown = _unit(_cut_out(a, window))
        down, across = np.gradient(shown, axis=(1, 2))
        slopes = np.stack([across * (1 - place), across * place, down * (1 - place)[:, None], down * place[:, None]], 1)
        slopes = slopes.reshape(len(a), 4, -1)
        normal = (slopes @ slopes.transpose(0, 2, 1)).astype(np.float64)
        normal += np.eye(4) * (1e-3 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-12)
        aim = (slopes @ (target - shown).reshape(len(a), -1, 1)).astype(np.float64)
        window = np.clip(window + np.linalg.solve(normal, aim)[..., 0] / SIDE, *LIMITS)
    block = SIDE // GRID
    difference = (target - _unit(_cut_out(a, window))).reshape(len(a), GRID, block, GRID, block).mean((2, 4)) * block
    return np.square(difference, dtype=np.float64).sum((1, 2))


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


def _same_file(hashes: np.ndarray, keys: np.ndarray) -> Iterator[np.ndarray]:
    """Codes of the pairs that share a key of 16 bits and lie within the radius. keys: (images, windows)."""
    order = np.argsort(keys[:, 0], kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(keys[:, 0], minlength=1 << 16))])
    sizes = np.diff(ends)
    sizes[sizes > CROWD] = 0
    whole = hashes[:, 0]
    asked, windows = hashes.reshape(-1), hashes.shape[1]
    flat = keys.reshape(-1)
    for start in range(0, len(flat), QUERIES):
        part = flat[start : start + QUERIES]
        sizes_here = sizes[part]
        query = np.repeat(np.arange(start, start + len(part)), sizes_here)
        first = np.repeat(ends[part] - np.concatenate([[0], np.cumsum(sizes_here)[:-1]]), sizes_here)
        other = order[first + np.arange(len(query))]
        distance = np.bitwise_count(asked[query] ^ whole[other])
        near = (distance <= RADIUS) & (query // windows != other)
        yield _coded(query[near] // windows, other[near], distance[near], query[near] % windows)


def _neighbours(whole: np.ndarray) -> np.ndarray:
    """Codes of the pairs with equal hashes that follow each other, so that a crowd of copies is one chain."""
    order = np.argsort(whole, kind="stable")
    same = whole[order][1:] == whole[order][:-1]
    zeros = np.zeros(int(same.sum()), np.int64)
    return _coded(order[:-1][same], order[1:][same], zeros, zeros)


def _coded(a: np.ndarray, b: np.ndarray, distance: np.ndarray, window: np.ndarray) -> np.ndarray:
    """One sortable number."""
    return a << 33 | b << 7 | distance.astype(np.int64) << 4 | window


def _nearest(parts: list[np.ndarray]) -> np.ndarray:
    """Of each pair the code with the least distance."""
    codes = np.concatenate(parts)
    codes.sort()
    return codes[np.diff(codes >> 7, prepend=-1) != 0]


def _cut_out(images: np.ndarray, window: np.ndarray) -> np.ndarray:
    """A window of each image at full side, bilinear."""
    return _sampling(window[:, 2], window[:, 3]) @ images @ _sampling(window[:, 0], window[:, 1]).transpose(0, 2, 1)


def _sampling(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Matrices that read SIDE points between low and high: float32 (pairs, SIDE, SIDE), two weights a row."""
    steps = (np.arange(SIDE) + 0.5) / SIDE
    points = np.clip((low[:, None] + (high - low)[:, None] * steps) * SIDE - 0.5, 0, SIDE - 1)
    left = np.minimum(points.astype(np.int64), SIDE - 2)
    matrix = np.zeros((len(low), SIDE, SIDE), np.float32)
    pair, row = np.ogrid[: len(low), :SIDE]
    matrix[pair, row, left] = 1 - (points - left)
    matrix[pair, row, left + 1] = points - left
    return matrix


def _unit(images: np.ndarray) -> np.ndarray:
    """Images of mean 0 and length 1."""
    centred = images - images.mean((1, 2), keepdims=True)
    return centred / (np.sqrt(np.square(centred).sum((1, 2), keepdims=True)) + 1e-6)


def find_pairs(thumbnails: Path, count: int, fresh: np.ndarray, scratch: Path) -> np.ndarray:
    """TEMPORARY adapter."""
    from components.ingest.looks import BLANK, RECORD, waves
    from components.ingest.looks import hashes as sign
    small = np.fromfile(thumbnails, np.uint8).reshape(count, SIDE, SIDE)
    records = np.empty(count, RECORD)
    found = np.empty((count, len(WINDOWS)), np.uint64)
    for n in range(count):
        w = waves(small[n])
        found[n] = sign(w)
        records["thumbnail"][n] = small[n]
        records["waves"][n] = np.round(w * (32767 / max(1, np.abs(w).max()))).astype(np.int16)
    rows = np.flatnonzero(small.reshape(count, -1).std(1) >= BLANK)
    pairs, windows = candidates(found[rows])
    pairs = rows[pairs]
    keep = fresh[pairs].any(1) if len(pairs) else np.zeros(0, bool)
    pairs, windows = pairs[keep], windows[keep]
    kept = np.sort(pairs[confirmed(records, pairs, windows)], axis=1)
    return np.unique(kept, axis=0).reshape(-1, 2)
