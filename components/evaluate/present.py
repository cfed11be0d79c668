"""Which images stand for what arrives at present.

A model that was trained on old images and on those that a drift brought is not to be compared for ever with a mixture
of both: what comes now is like what came when the newest alarm was raised.
"""

import json

import numpy as np

from components.common.alarms import FILE
from components.common.artifacts import TRAIN, Dataset
from components.common.errors import BadInputError
from components.common.parquet import read_table
from components.common.storage import Store

LEAST = 20  # images that stand for the present: fewer cannot be compared with


def arrived(data: Dataset, look: str, store: Store) -> np.ndarray:
    """Rows (ascending) of the held-out splits, of which no model learns, whose images a look saw that raised an alarm;
    empty where there are fewer than LEAST. look: its key; empty where no look raised one.

    Raises BadInputError where that look is gone, or holds no images.
    """
    if not look:
        return np.array([], np.int64)
    try:
        entry = json.loads(store.read(look))["files"][FILE]
        seen = read_table(store.read_verified(entry["key"], entry["sha256"], entry["size"])).column("id").to_pylist()
    except KeyError:
        raise BadInputError(f"{store.uri}/{look}: no such look, or one without {FILE}; run again") from None
    rows = np.flatnonzero((data.column("split") != TRAIN) & np.isin(data.column("id"), np.array(seen, object)))
    return rows if len(rows) >= LEAST else rows[:0]
