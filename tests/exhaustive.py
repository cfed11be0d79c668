"""The search for copies that compares every two: slow, and what the index is measured against."""

from collections.abc import Iterator

import numpy as np

from components.ingest.duplicates.kinds import Kind
from components.ingest.duplicates.tangents import MISSED, plausible, space, unit_waves, windows

QUERIES, TILE, JUDGED = 128, 4096, 128  # rows asked about, and asked, and pairs compared by pixels, at a time


def copies(thumbnails: np.ndarray, kind: Kind) -> np.ndarray:
    """All pairs of which b shows a window of a by waves, all of them, and by pixels: int64 (pairs, 2)."""
    rows = np.flatnonzero(np.concatenate([kind.admits(part) for part in _parts(thumbnails)]))
    waves = np.concatenate([unit_waves(kind.shown(part)) for part in _parts(thumbnails[rows])])
    found = [np.empty((0, 2), np.int64)]
    waiting: list[np.ndarray] = []
    for low in range(0, len(rows), QUERIES):
        for a, b, window in _fitting(thumbnails[rows[low : low + QUERIES]], waves, kind):
            asked = rows[low + a] != rows[b]
            waiting.append(np.column_stack([rows[low + a[asked]], rows[b[asked]], window[asked]]))
            if sum(map(len, waiting)) >= JUDGED:
                found.append(_judged(thumbnails, np.concatenate(waiting), kind))
                waiting = []
    return np.concatenate([*found, *(_judged(thumbnails, one, kind) for one in waiting)])


def _fitting(queries: np.ndarray, waves: np.ndarray, kind: Kind) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    spaces = space(kind.shown(queries))
    for low in range(0, len(waves), TILE):
        tile = waves[low : low + TILE]
        inside = (spaces.basis.reshape(-1, tile.shape[1]) @ tile.T).reshape(len(queries), 5, -1)
        a, b = np.nonzero(np.einsum("qit,qit->qt", inside, inside) >= 1 - 1.01 * MISSED)
        missed, window = windows(spaces, a, tile[b])
        kept = plausible(missed, window)
        yield a[kept], low + b[kept], window[kept]


def _judged(thumbnails: np.ndarray, asked: np.ndarray, kind: Kind) -> np.ndarray:
    pairs = asked[:, :2].astype(np.int64)
    parts = range(0, len(pairs), JUDGED)
    ends = [
        (pairs[low : low + JUDGED, 0], pairs[low : low + JUDGED, 1], asked[low : low + JUDGED, 2:]) for low in parts
    ]
    same = [kind.judge(thumbnails[a], thumbnails[b], window) for a, b, window in ends]
    return pairs[np.concatenate([np.empty(0, bool), *same])]


def _parts(thumbnails: np.ndarray) -> Iterator[np.ndarray]:
    """At least one, so that nothing is the sum of nothings."""
    return (thumbnails[low : low + TILE // 16] for low in range(0, max(1, len(thumbnails)), TILE // 16))
