"""Looks at a model with answers that were drawn in them, as `compare` publishes them."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.artifacts import LABELS
from components.common.audits import AUDIT
from components.common.storage import Store
from components.monitor import looks
from components.releases.bundle import describe, publish

START = datetime(2026, 3, 2, tzinfo=UTC)
VERSION = "v" * 16


def until(number: int) -> datetime:
    """The end of the window of a look, a week after that of the look before."""
    return START + timedelta(days=7 * number)


def table(answers: Sequence[tuple[str, str]], version: str = VERSION, **columns: Any) -> pa.Table:
    """AUDIT of (id, predicted). columns: others of all rows."""
    rest = {"confidence": 0.75, "time": START, "where": None, "picture": None} | columns
    rows = [{"id": image, "version": version, "predicted": predicted, **rest} for image, predicted in answers]
    return pa.Table.from_pylist(rows, schema=AUDIT)


def parquet(made: pa.Table) -> bytes:
    text = io.BytesIO()
    pq.write_table(made, text)
    return text.getvalue()


def look(store: Store, model: str, number: int, drawn: pa.Table) -> None:
    """Publish a look that drew these answers."""
    drift = {"format": 1, "model": model, "number": number, "until": until(number).isoformat()}
    assert looks.publish(store, model, drift, {"audit.parquet": parquet(drawn)})


def released(store: Store, model: str, taught: dict[str, str]) -> str:
    """A release of nothing but its labels (id to purpose); returns its version."""
    rows = [
        {"id": image, "label": "cat", "purpose": purpose, "source": "store", "annotator": "ann", "weight": 1.0}
        for image, purpose in taught.items()
    ]
    files = {"labels.parquet": parquet(pa.Table.from_pylist(rows, schema=LABELS))}
    release = describe(files, {"model": model})
    publish(store, release, files)
    return str(release["version"])
