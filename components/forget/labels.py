"""Tables of labels without some images, with the labels.json beside them, which knows the table by its digest."""

import json
from typing import Any

from components.common.artifacts import PROPAGATED, SPLITS, TRAIN
from components.common.files import json_text, sha256_bytes
from components.common.parquet import read_table

TABLE, ABOUT = "labels.parquet", "labels.json"


def about_labels(about: bytes, table: bytes) -> bytes:
    """labels.json of a table that was made anew: its digest and its counts."""
    told: dict[str, Any] = json.loads(about)
    rows = read_table(table).select(["purpose", "source"]).to_pylist()
    given = [row["purpose"] for row in rows if row["source"] != PROPAGATED or row["purpose"] != TRAIN]
    counts = {split: given.count(split) for split in SPLITS}
    return json_text(
        {**told, "counts": counts, "propagated": len(rows) - len(given), "sha256": sha256_bytes(table)}
    ).encode()
