"""The looks at a model: one publishes, a kill leaves a look or none, and windows follow one another."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.common.errors import BadInputError
from components.common.storage import IntegrityError, Store, open_store
from components.monitor.looks import last, look_at, looks, place_of, publish, read_file, window
from components.monitor.settings import MonitorSettings

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
FILES = {"drift.html": b"<p>all is well", "candidates.csv": b"id\n"}


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store(request.getfixturevalue("s3_bucket") if request.param == "s3" else str(tmp_path / "store"))


def drift(number: int = 1, until: datetime = NOW, **more: Any) -> dict[str, Any]:
    return {"format": 1, "model": "digits", "number": number, "until": until.isoformat(), **more}


def keys(store: Store) -> set[str]:
    return {stat.key for stat in store.list("monitor/")}


def named(store: Store) -> set[str]:
    """All keys that looks name, and those of the looks."""
    found = looks(store, "digits")
    files = {entry["key"] for look in found for entry in look["files"].values()}
    return files | {f"monitor/digits/looks/{look['number']:06d}.json" for look in found}


class Meddling:
    """A store before whose operations somebody else has a turn, or a process dies."""

    def __init__(self, store: Store, before: Callable[[str, int], None]) -> None:
        self.store, self.before, self.count = store, before, itertools.count(1)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if not callable(found):
            return found

        def call(*words: Any) -> Any:
            self.before(name, next(self.count))
            return found(*words)

        return call


class Killed(BaseException):
    """Nobody catches a SIGKILL."""


def test_a_look_is_read_as_it_was_published(store: Store) -> None:
    assert looks(store, "digits") == []
    assert last(store, "digits") is None
    assert publish(store, "digits", drift(told="ä"), FILES)
    assert publish(store, "digits", drift(2), {})
    assert publish(store, "cats", drift(3), {})
    assert [look["number"] for look in looks(store, "digits")] == [1, 2]
    first, newest = look_at(store, "digits", 1), last(store, "digits")
    assert first is not None
    assert newest is not None
    assert (first["told"], newest["number"], look_at(store, "digits", 3)) == ("ä", 2, None)
    assert {name: read_file(store, first, name) for name in first["files"]} == FILES
    place = place_of(store, first, "candidates.csv")
    assert place.startswith(f"{store.uri}/monitor/digits/looks/000001/")
    with pytest.raises(
        BadInputError, match=r"look 1 of digits has no audit\.parquet; it has candidates\.csv, drift\.html"
    ):
        read_file(store, first, "audit.parquet")


def test_of_two_monitors_at_once_one_publishes_and_nothing_of_the_other_is_left(store: Store) -> None:
    """The other one has its whole turn before each operation of the first."""
    for turn in range(1, 12):
        for key in keys(store):
            store.delete(key)
        outcome: list[bool] = []

        def other(_: str, count: int, turn: int = turn, outcome: list[bool] = outcome) -> None:
            if count == turn:
                outcome.append(publish(store, "digits", drift(by="other"), {"drift.html": b"other"}))

        won = publish(Meddling(store, other), "digits", drift(by="one"), FILES)  # type: ignore[arg-type]
        (look,) = looks(store, "digits")
        assert look["by"] == ("one" if won else "other")
        assert {name: read_file(store, look, name) for name in look["files"]} == (
            FILES if won else {"drift.html": b"other"}
        )
        assert keys(store) == named(store), turn
        if not outcome:
            assert won
            return
        assert outcome == [not won]
    raise AssertionError("the first one never ended")


def test_a_monitor_that_is_killed_leaves_a_look_or_none(tmp_path: Path) -> None:
    for turn in range(1, 12):
        store = open_store(str(tmp_path / str(turn)))

        def die(_: str, count: int, turn: int = turn) -> None:
            if count == turn:
                raise Killed

        try:
            publish(Meddling(store, die), "digits", drift(by="killed"), FILES)  # type: ignore[arg-type]
        except Killed:
            for look in looks(store, "digits"):
                assert {name: read_file(store, look, name) for name in look["files"]} == FILES
            there = last(store, "digits")
            assert publish(store, "digits", drift(by="next"), {"drift.html": b"next"}) == (there is None)
            assert publish(store, "digits", drift(2), FILES)
            assert keys(store) == named(store), turn
        else:
            return
    raise AssertionError("it never ended")


def test_the_same_look_again_is_there(store: Store) -> None:
    assert publish(store, "digits", drift(), FILES)
    before = keys(store)
    assert publish(store, "digits", drift(), FILES)
    assert not publish(store, "digits", drift(told="another"), FILES)
    assert keys(store) == before


def test_a_look_or_a_file_of_it_that_was_changed_is_told(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    publish(store, "digits", drift(), FILES)
    look = look_at(store, "digits", 1)
    assert look is not None
    store.write(look["files"]["drift.html"]["key"], b"<p>all is ill.")
    with pytest.raises(IntegrityError, match=r"drift\.html: its sha256 is"):
        read_file(store, look, "drift.html")
    for broken in (b"{", b"[]", b"{}", b'{"format": 1, "number": 7, "until": "2026-03-02T06:00:00+00:00"}'):
        store.write("monitor/digits/looks/000001.json", broken)
        with pytest.raises(IntegrityError, match=r"000001\.json: is no look .*; restore it, or remove it"):
            last(store, "digits")


def test_windows_follow_one_another() -> None:
    settings = MonitorSettings(every_days=3)
    assert window(None, NOW, settings) == (NOW - timedelta(days=3), NOW)
    assert window(drift(until=NOW - timedelta(hours=1)), NOW, settings) == (NOW - timedelta(hours=1), NOW)


@pytest.mark.parametrize(
    ("ahead", "told"), [({"seconds": 90}, "90 s"), ({"minutes": 50}, "50 minutes"), ({"days": 700}, "700 days")]
)
def test_a_clock_that_was_set_back_is_told(ahead: dict[str, float], told: str) -> None:
    with pytest.raises(BadInputError) as refused:
        window(drift(until=NOW + timedelta(**ahead)), NOW, MonitorSettings())
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("look 1 of digits ended at 202")
    assert f"{told} after now (2026-03-02T06:00:00+00:00)" in str(refused.value)
    assert str(refused.value).endswith("remove monitor/digits/looks/000001.json from the store")
