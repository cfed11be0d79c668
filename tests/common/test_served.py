"""Batches of the serving log: read in the order of their writing, several fetched ahead, and only the window."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.common import clock, served
from components.common.served import read, write
from components.common.storage import open_store

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def row(name: str, when: datetime) -> dict[str, Any]:
    return {"id": name, "time": when, "version": "v", "probabilities": [0.5, 0.5], "embedding": [1.0], "pixels": b"p"}


def ids(store: Any, since: datetime = NOW - 99 * HOUR, until: datetime = NOW) -> list[str]:
    return [name for table in read(store, "digits", since, until) for name in table["id"].to_pylist()]


def test_a_batch_lies_in_the_folder_of_the_day_on_which_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(str(tmp_path))
    assert write(store, "digits", [row("a", NOW)], NOW).startswith("digits/2026-03-02/060000.000000-")
    monkeypatch.setenv(clock.VARIABLE, "2031-01-02T00:30:00+01:00")
    assert write(store, "digits", [row("a", NOW)]).startswith("digits/2031-01-01/233000.000000-")


def test_rows_are_read_in_the_order_in_which_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(str(tmp_path))
    for number in range(40):
        write(store, "digits", [row(f"{number:02d}", NOW - (50 - number) * HOUR)], NOW - (50 - number) * HOUR)
    assert ids(store) == [f"{number:02d}" for number in range(40)]
    assert ids(store, NOW - 48 * HOUR, NOW - 46 * HOUR) == ["02", "03"]
    monkeypatch.setattr(served, "AHEAD_BYTES", 1)
    assert ids(store) == [f"{number:02d}" for number in range(40)]


def test_only_the_wanted_columns_are_read(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    write(store, "digits", [row("a", NOW), row("b", NOW - HOUR)], NOW)
    (table,) = read(store, "digits", NOW - HOUR, NOW, "v", columns=["embedding", "id"])
    assert table.to_pylist() == [{"embedding": [1.0], "id": "b"}]


def test_many_batches_are_under_way_at_once_and_one_that_is_gone_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(str(tmp_path))
    keys = [write(store, "digits", [row(f"{n:02d}", NOW - HOUR)], NOW + timedelta(seconds=n)) for n in range(30)]
    lock, now, most, whole = threading.Lock(), [0], [0], store.read

    def slow(key: str) -> bytes:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        if key == keys[7]:
            raise KeyError(key)
        return whole(key)

    monkeypatch.setattr(store, "read", slow)
    assert ids(store) == [f"{n:02d}" for n in range(30) if n != 7]
    assert 2 <= most[0] <= served.AHEAD
