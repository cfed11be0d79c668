"""The images of a look that are new: nearest to nothing that the model was measured on."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from components.monitor.signals.inputs import USUAL
from components.monitor.signals.sample import embeddings_of
from components.monitor.signals.signal import rounded
from components.monitor.statistics.novelty import novelty, spread, usual

MOST = 10_000  # of the most novel images, among which those are picked that are unlike one another
CANDIDATES = pa.schema(  # the most novel image first
    [
        ("id", pa.string()),
        ("reason", pa.string()),  # as people read it
        ("distance", pa.float32()),  # cosine distance to the nearest image of the reference
        ("predicted", pa.string()),
        ("confidence", pa.float32()),
        ("where", pa.string()),  # path or URI of the image, or null
        ("nearest", pa.string()),  # id of that image of the reference
    ]
)


class Novel(NamedTuple):
    """What is new in a look."""

    about: dict[str, Any]  # `novel` in drift.json
    candidates: pa.Table  # of CANDIDATES


def novel(table: pa.Table, reference: pa.Table, count: int, fill: bool) -> Novel:
    """Name up to `count` images of a look (observed.parquet) that are farther from every image of the reference than
    nearly all of these are from one another, and unlike one another; an image that came twice is named once.

    fill: where they are fewer, take the farthest of the others too, as labels are wanted all the same.
    """
    known, seen = (embeddings_of(each) for each in (reference, table))
    distance = novelty(known, seen)
    limit = usual(known, USUAL)
    once = np.unique(np.array(table.column("id").to_pylist(), dtype=object), return_index=True)[1]
    farthest = once[np.argsort(-distance[once], kind="stable")][: max(MOST, count)]
    beyond = distance[farthest] > limit
    picks = _spread(seen, distance, farthest[beyond], count)
    if fill and len(picks) < count:
        others = farthest[~beyond][: 10 * count]
        picks = np.concatenate([picks, _spread(seen, distance, others, count - len(picks))])
    picks = picks[np.argsort(-distance[picks], kind="stable")]
    rows = table.select(["id", "predicted", "confidence", "where"]).take(pa.array(picks, pa.int64()))
    nearest = _nearest(known, seen[picks]) if len(picks) else np.empty(0, np.int64)
    new = int((distance > limit).sum())
    columns = {
        **{name: rows.column(name) for name in rows.column_names},
        "reason": [
            _reason(row, float(distance[pick]), limit) for row, pick in zip(rows.to_pylist(), picks, strict=True)
        ],
        "distance": distance[picks],
        "nearest": reference.column("id").take(pa.array(nearest, pa.int64())),
    }
    about = {
        "images": new,
        "share": rounded(new / max(1, len(distance))),
        "usual_share": rounded(1 - USUAL),
        "threshold": rounded(limit),
        "ids": [row["id"] for row, pick in zip(rows.to_pylist(), picks, strict=True) if distance[pick] > limit],
    }
    return Novel(about, pa.table([columns[name] for name in CANDIDATES.names], CANDIDATES.names).cast(CANDIDATES))


def none() -> Novel:
    """Where nothing can be told."""
    about: dict[str, Any] = {
        "images": 0,
        "share": None,
        "usual_share": rounded(1 - USUAL),
        "threshold": None,
        "ids": [],
    }
    return Novel(about, CANDIDATES.empty_table())


def _spread(embeddings: np.ndarray, distance: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    return rows[spread(embeddings[rows], distance[rows], -np.inf, count)] if len(rows) else rows


def _nearest(known: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Row of the nearest of known (n, f), for each of some (m, f): (m,)."""
    known = known.astype(np.float32)
    known /= np.maximum(np.linalg.norm(known, axis=1, keepdims=True), 1e-12)
    return (some.astype(np.float32) @ known.T).argmax(axis=1)


def _reason(row: dict[str, Any], distance: float, limit: float) -> str:
    said = f"it said {row['predicted']} ({100 * row['confidence']:.0f} %)"
    if distance > limit:
        return f"new to the model: nearest known image at {distance:.2g}, usual is below {limit:.2g}; {said}"
    return f"among the least like what the model knows: nearest known image at {distance:.2g}; {said}"
