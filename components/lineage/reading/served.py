"""What was answered about an image, and how often a release answered, from the log that servers keep.

The log is a sample (`gleaner serve --log-rate`): what does not stand in it may have been answered all the same.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import pyarrow.compute as pc

from components.common.storage import Stat, Store, open_store
from components.lineage.reading.columns import in_readers, rows_of

COLUMNS = ("id", "time", "version", "predicted", "confidence")
DEFAULT = "log"  # folder of a store that its servers log to, where nothing else is said


class Served(NamedTuple):
    """One answer."""

    model: str
    version: str
    id: str
    time: datetime
    predicted: str
    confidence: float


class Span(NamedTuple):
    """Answers of one release."""

    answers: int
    first: datetime
    last: datetime


def log_of(store: Store, place: str) -> Store:
    """The log at a place, or that of a store."""
    return open_store(place or f"{store.uri.rstrip('/')}/{DEFAULT}")


def served_about(log: Store, ids: Sequence[str]) -> list[Served]:
    """Answers about images whose ids begin with one of `ids`, by time, of whatever model."""

    def look(stat: Stat) -> list[Served]:
        rows = rows_of(log, stat, "id", ids, COLUMNS)
        model = stat.key.partition("/")[0]
        return [Served(model=model, **row) for row in rows.to_pylist()] if rows else []

    found = [one for some in in_readers(look, _batches(log, "")) for one in some]
    return sorted(found, key=lambda one: (one.time, one.model))


def served_by(log: Store, model: str, version: str) -> Span | None:
    """How many answers a release has in the log, and from when to when; None where it has none."""

    def look(stat: Stat) -> Span | None:
        rows = rows_of(log, stat, "version", [version], ["time"])
        if rows is None:
            return None
        ends = pc.min_max(rows["time"]).as_py()
        return Span(len(rows), ends["min"], ends["max"])

    spans = [span for span in in_readers(look, _batches(log, f"{model}/")) if span]
    if not spans:
        return None
    return Span(sum(one.answers for one in spans), min(one.first for one in spans), max(one.last for one in spans))


def _batches(log: Store, prefix: str) -> list[Stat]:
    """Objects of the log by model and time: <model>/<day>/<time>-<random>.parquet."""
    found = (stat for stat in log.list(prefix) if stat.key.endswith(".parquet") and stat.key.count("/") == 2)
    return sorted(found)
