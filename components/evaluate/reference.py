"""The reference that a watch over a served model compares with: how the model sees held-out images, labelled or not.

Images that are like what arrives at present are marked: drift is measured from these, and accuracy is expected from all
that have a label.

reference.parquet   an image each: its embedding, the answer, how it looks, and its label where it has one
reference.json      class shares, confusion on held-out labels, means and spreads

Format 1, of earlier versions, has no entropy, abstain and label.
"""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

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
            ("present", pa.bool_()),  # whether it stands for what arrives at present
        ]
    )


class Chosen(NamedTuple):
    rows: np.ndarray  # ascending
    present: np.ndarray  # boolean, of each row


def reference_rows(data: Dataset, arrived: np.ndarray, labelled: np.ndarray, features: int, seed: int) -> Chosen:
    """Rows to refer to, of more than there is room for a random draw.

    arrived: rows that stand for what arrives at present (`present.arrived`), to which labelled test rows are added;
    where there are none, the test split stands for it.
    """
    most = min(IMAGES, ROOM // (2 * features))
    now = _drawn(arrived if len(arrived) else data.rows(TEST), most, seed)
    others = _drawn(np.setdiff1d(labelled, now), most - len(now), seed) if len(arrived) else now[:0]
    rows = np.sort(np.concatenate([now, others]))
    return Chosen(rows, np.isin(rows, now))


def _drawn(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    return rows if len(rows) <= most else np.sort(seeded(seed, "reference")[0].choice(rows, most, replace=False))


def table(
    ids: np.ndarray,
    answers: Answers,
    looks: dict[str, np.ndarray],
    classes: list[str],
    threshold: float | None,
    labels: Sequence[str | None],
    present: np.ndarray,
) -> bytes:
    """reference.parquet. ids (images,), looks (images,) of each of LOOKS, classes: names of the answers, threshold:
    confidence below which the model abstains, labels: of the images, by name, present: of each, boolean.
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
        "present": pa.array(present, pa.bool_()),
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
    """reference.json, of what stands for the present.

    confusion: `classes`, and `counts` of test labels by true class (rows) and predicted class.
    """
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
