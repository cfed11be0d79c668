"""predictions.parquet: what each model says of each test image, and what is known of the image."""

import numpy as np
import pyarrow as pa

from components.common import metrics as m
from components.common.artifacts import Dataset
from components.evaluate.measuring import Measured
from components.evaluate.sought import Answers

PREDICTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.string()),  # the test label
        ("predicted", pa.string()),
        ("confidence", pa.float64()),  # after the temperature
        ("raw_confidence", pa.float64()),  # before it
        ("warmup_predicted", pa.string()),
        ("warmup_confidence", pa.float64()),
        ("champion_predicted", pa.string()),  # null without a champion that can be compared, as the next two
        ("champion_confidence", pa.float64()),  # after its temperature
        ("champion_compared", pa.bool_()),  # whether the image counts in the comparison with it
        ("folder", pa.string()),  # of the source
        ("size", pa.float64()),  # pixels, side of a square of as many
        ("brightness", pa.float64()),  # 0 to 1
        ("distance", pa.float64()),  # of embeddings, to the nearest training image; null without one
    ]
)


def predictions(data: Dataset, found: Measured) -> pa.Table:
    """One row per test label, in the order of the index, as PREDICTIONS says."""
    final, warm, champion, columns = found.final, found.warm, found.champion, found.columns
    n = len(found.rows)
    return pa.table(
        {
            "id": data.column("id")[found.rows],
            "label": found.labels,
            "predicted": final.predicted,
            "confidence": final.confidence,
            "raw_confidence": m.softmax(found.asked.logits).max(axis=1) if n else np.empty(0),
            "warmup_predicted": warm.predicted,
            "warmup_confidence": warm.confidence,
            "champion_predicted": champion.predicted if champion else pa.nulls(n, pa.string()),
            "champion_confidence": champion.confidence if champion else pa.nulls(n, pa.float64()),
            "champion_compared": found.compared if champion else pa.nulls(n, pa.bool_()),
            "folder": columns.folder,
            "size": columns.size,
            "brightness": columns.brightness,
            "distance": pa.array(columns.distance, from_pandas=True),
        }
    )


def answers(found: Measured) -> Answers:
    """The same for the gates; the champion's where it is compared."""
    others = {"warmup": found.warm.predicted}
    if found.champion:
        others["champion"] = found.champion.predicted.copy()
        others["champion"][~found.compared] = None
    return Answers(found.labels, found.final.predicted, others, found.columns.kinds())
