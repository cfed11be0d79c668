"""The reference that a watch over a served model compares with: how the model sees the test images, labelled or not.

reference.parquet   an image each: its embedding, the answer, how it looks
reference.json      class shares, confusion on held-out labels, means and spreads
"""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.common.artifacts import TEST, Dataset
from components.common.data.looks import Looks
from components.common.seeding import seeded
from components.releases.model import Answers

IMAGES = 2000  # at most
ROOM = 4 << 20  # bytes of embeddings, at most
LOOKS = Looks._fields


def schema(features: int) -> pa.Schema:
    """Of reference.parquet."""
    looks = [(name, pa.float32()) for name in LOOKS]
    embedding = ("embedding", pa.list_(pa.float16(), features))  # unit length
    # confidence: after the temperature
    return pa.schema([("id", pa.string()), embedding, ("predicted", pa.string()), ("confidence", pa.float32()), *looks])


def reference_rows(data: Dataset, features: int, seed: int) -> np.ndarray:
    """Rows of the test split to refer to, ascending: all, or a random draw of as many as there is room for."""
    rows = data.rows(TEST)
    most = min(IMAGES, ROOM // (2 * features))
    return rows if len(rows) <= most else np.sort(seeded(seed, "reference")[0].choice(rows, most, replace=False))


def table(ids: np.ndarray, answers: Answers, looks: dict[str, np.ndarray], classes: list[str]) -> bytes:
    """reference.parquet. ids (images,), looks (images,) of each of LOOKS, classes: names of the answers."""
    features = answers.embeddings.shape[1]
    flat = pa.array(answers.embeddings.astype(np.float16).ravel())
    columns = {
        "id": pa.array(ids, pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, features),
        "predicted": pa.array(np.array(classes, dtype=object)[answers.probabilities.argmax(axis=1)], pa.string()),
        "confidence": pa.array(answers.probabilities.max(axis=1)),
        **looks,
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
    n = len(answers.logits)
    shares = np.bincount(answers.probabilities.argmax(axis=1), minlength=len(classes)) / max(n, 1)
    figures = {"confidence": answers.probabilities.max(axis=1), **looks}
    return {
        "format": 1,
        "images": n,
        "seed": seed,
        "features": int(answers.embeddings.shape[1]),
        "temperature": temperature,
        "predicted": dict(zip(classes, shares.tolist(), strict=True)),
        "confusion": confusion,
        "means": {name: float(np.mean(values)) if n else None for name, values in figures.items()},
        "spreads": {name: float(np.std(values)) if n else None for name, values in figures.items()},
    }
