"""Which images stand for what arrives at present.

A model that was trained on old images and on those that a drift brought is not to be compared for ever with a mixture
of both: what comes now is like the newest of them.
"""

from typing import Any

import numpy as np

from components.common.artifacts import TRAIN, Dataset
from components.common.errors import BadInputError
from components.common.parquet import read_table
from components.common.storage import Store
from components.evaluate.champion import Champion
from components.releases.bundle import verified_release

LEAST = 50  # images that stand for the present


def arrived(data: Dataset, champion: Champion | None, store: Store) -> np.ndarray:
    """Rows (ascending) of the held-out splits, of which no model learns, whose images came since the dataset of the
    champion, or of the newest one before it for which there are LEAST of them; empty where there are not so many.

    A champion or a dataset that is gone ends the search.
    """
    ids, held_out = data.column("id"), data.column("split") != TRAIN
    about: dict[str, Any] = champion.about if champion else {}
    while about:
        known = _images(store, data.name, about.get("digests", {}).get("dataset", ""))
        if known is None:
            break
        rows = np.flatnonzero(held_out & ~np.isin(ids, known))
        if len(rows) >= LEAST:
            return rows
        about = _release(store, data.name, about.get("compared_with") or "")
    return np.array([], np.int64)


def _images(store: Store, name: str, version: str) -> np.ndarray | None:
    """Ids of the images of a version of a dataset; None where it is gone."""
    try:
        table = read_table(store.read(f"datasets/{name}/{version}/index.parquet"))
    except KeyError:
        return None
    return np.array(table.column("id").to_pylist(), object)


def _release(store: Store, model: str, version: str) -> dict[str, Any]:
    if not version:
        return {}
    try:
        return verified_release(store, f"releases/{model}/{version}/")
    except BadInputError:
        return {}
