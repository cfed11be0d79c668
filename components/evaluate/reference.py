"""The reference that a watch over a served model compares with: how the model sees the test images, labelled or not.

reference.parquet   an image each: its embedding, the answer, how it looks, and its label where it has one
reference.json      class shares, confusion on held-out labels, means and spreads

Format 1, of earlier versions, has no entropy, abstain and label.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.common.artifacts import TEST, Dataset
from components.common.data.looks import Looks
from components.common.metrics import abstains, entropy
from components.common.seeding import seeded
from components.releases.model import Answers

FORMAT = 2
IMAGES = 2000  # at most
ROOM = 4 << 20  # bytes of embeddings, at most
LOOKS = Looks._fields


def schema(features: int) -> pa.Schema:
    """Of reference.parquet."""
    return pa.schema(
        [
            ("id", pa.string()),
            ("embedding", pa.list_(pa.float16(), features)),  # unit length
            ("predicted", pa.string()),
            ("confidence", pa.float32()),  # after the temperature
            ("entropy", pa.float32()),  # in nats, after the temperature
            ("abstain", pa.bool_()),  # null where calibration found no threshold
            *((name, pa.float32()) for name in LOOKS),
            ("label", pa.string()),  # null where nobody gave one
        ]
    )


def reference_rows(data: Dataset, features: int, seed: int) -> np.ndarray:
    """Rows of the test split to refer to, ascending: all, or a random draw of as many as there is room for."""
    rows = data.rows(TEST)
    most = min(IMAGES, ROOM // (2 * features))
    return rows if len(rows) <= most else np.sort(seeded(seed, "reference")[0].choice(rows, most, replace=False))


def table(
    ids: np.ndarray,
    answers: Answers,
    looks: dict[str, np.ndarray],
    classes: list[str],
    threshold: float | None,
    labels: Sequence[str | None],
) -> bytes:
    """reference.parquet. ids (images,), looks (images,) of each of LOOKS, classes: names of the answers, threshold:
    confidence below which the model abstains, labels: of the images, by name.
    """
    features = answers.embeddings.shape[1]
    flat = pa.array(answers.embeddings.astype(np.float16).ravel())
    p = answers.probabilities
    columns = {
        "id": pa.array(ids, pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, features),
        "predicted": pa.array(np.array(classes, dtype=object)[p.argmax(axis=1)], pa.string()),
        "confidence": pa.array(p.max(axis=1)),
        "entropy": pa.array(entropy(p)),
        "abstain": pa.nulls(len(p), pa.bool_()) if threshold is None else pa.array(abstains(p, threshold)),
        **looks,
        "label": pa.array(labels, pa.string()),
    }
    written = io.BytesIO()
    pq.write_table(pa.table(columns).cast(schema(features)), written, compression="zstd")
    return written.getvalue()


def summary(
    answers: Answers,
    looks: dict[str, np.ndarray],
    classes: list[str],
    temperature: float,
    confusion: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """reference.json. confusion: `classes`, and `counts` of test labels by true class (rows) and predicted class."""
    n, p = len(answers.logits), answers.probabilities
    shares = np.bincount(p.argmax(axis=1), minlength=len(classes)) / max(n, 1)
    figures = {"confidence": p.max(axis=1), "entropy": entropy(p), **looks}
    return {
        "format": FORMAT,
        "images": n,
        "seed": seed,
        "features": int(answers.embeddings.shape[1]),
        "temperature": temperature,
        "predicted": dict(zip(classes, shares.tolist(), strict=True)),
        "confusion": confusion,
        "means": {name: float(np.mean(values)) if n else None for name, values in figures.items()},
        "spreads": {name: float(np.std(values)) if n else None for name, values in figures.items()},
    }
