"""Which images stand for what arrives at present: those that the look saw which raised the newest alarm."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.alarms import FILE, newest_alarm
from components.common.errors import BadInputError
from components.common.storage import IntegrityError, Store, open_store
from components.evaluate.present import LEAST, arrived
from components.monitor.looks import publish

UNTIL = "2026-03-02T06:00:00+00:00"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def look(store: Store, number: int, ids: list[str] | None) -> str:
    """Publish a look that raised an alarm over these images, or none; returns its key."""
    files = {"drift.html": b"<html>"}
    if ids is not None:
        written = io.BytesIO()
        pq.write_table(pa.table({"id": pa.array(ids, pa.string())}), written)
        files[FILE] = written.getvalue()
    assert publish(store, "digits", {"format": 1, "model": "digits", "number": number, "until": UNTIL}, files)
    return f"monitor/digits/looks/{number:06d}.json"


def test_the_newest_look_with_an_alarm_is_found(store):
    assert newest_alarm(store, "digits") == ""
    look(store, 1, None)
    assert newest_alarm(store, "digits") == ""
    key = look(store, 2, ["a"])
    look(store, 3, None)
    assert newest_alarm(store, "digits") == key
    store.delete(key)  # what is not published is none
    assert newest_alarm(store, "digits") == ""


def test_held_out_images_that_it_saw_stand_for_the_present(store, tiny_world: Any):
    data = tiny_world.data
    ids = data.column("id")
    seen = np.arange(0, len(ids), 2)
    rows = arrived(data, look(store, 1, [*ids[seen].tolist(), "of no dataset"]), store)
    assert rows.tolist() == [row for row in seen.tolist() if data.column("split")[row] != "train"]
    assert len(rows) >= LEAST
    assert arrived(data, "", store).tolist() == []
    few = data.rows("test")[: LEAST - 1]
    assert arrived(data, look(store, 2, ids[few].tolist()), store).tolist() == []


def test_a_look_that_is_gone_or_was_changed_is_a_line(store, tiny_world: Any, tmp_path):
    with pytest.raises(BadInputError, match=r"000007\.json: no such look"):
        arrived(tiny_world.data, "monitor/digits/looks/000007.json", store)
    key = look(store, 1, ["a"])
    (file,) = (tmp_path / "store").rglob(FILE)
    file.write_bytes(b"torn")
    with pytest.raises(IntegrityError):
        arrived(tiny_world.data, key, store)
