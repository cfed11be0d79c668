"""When objects were written, and how a collector and those who write find out about each other.

tests/pipelines/collecting lets them meet at every moment.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from components.common.errors import BadInputError, FailedError
from components.common.storage import Store, announce, collection, open_store, turns


def test_a_listing_enters_no_folder_that_its_prefix_excludes(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.write("b/c/1", b"")
    store.write("a/1", b"")
    entered: list[str] = []
    scandir = os.scandir

    def seen(path: Path) -> object:
        entered.append(path.name)
        return scandir(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", seen)
        assert [stat.key for stat in store.list("a")] == ["a/1"]
    assert entered == [tmp_path.name, "a"]


def test_the_store_says_when_an_object_was_written(store: Store) -> None:
    before = store.now()
    store.write("a", b"1")
    stat = store.stat("a")
    assert stat is not None
    assert before - 1 <= stat.modified <= store.now() + 1
    (listed,) = store.list()
    assert int(listed.modified) == int(stat.modified)


def test_a_collector_that_slept_ends_once_it_was_taken_for_dead(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    store.write("old", b"")
    for taken_over in (announce_late, collect_late):
        with pytest.raises(FailedError, match="took this one for dead"):
            sleep_and_remove(monkeypatch, store, taken_over)
        assert store.stat("old") is not None
        store.delete(turns.FLAG)


def sleep_and_remove(monkeypatch: pytest.MonkeyPatch, store: Store, meanwhile: Callable[..., None]) -> None:
    with collection(store) as one:
        meanwhile(monkeypatch, store)
        one.delete(["old"])


def announce_late(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(turns, "LEASE", -1.0)
        announce(store, "mark")


def collect_late(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(turns, "LEASE", -1.0)
        turns.Collection(store).begin()


def test_slow_removals_are_given_up_and_long_listings_renew(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    store.write("old", b"")
    with collection(store) as one:
        first = store.read(turns.FLAG)
        one.tick()
        assert store.read(turns.FLAG) == first
        monkeypatch.setattr(turns, "RENEWAL", 0.0)
        one.tick()
        assert store.read(turns.FLAG) != first
        monkeypatch.setattr(turns, "LEASE", -1.0)
        with pytest.raises(FailedError, match="removes too slowly"):
            one.delete(["old"])
    assert store.stat("old") is not None
    assert store.stat(turns.FLAG) is None


def test_clocks_that_differ_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    monkeypatch.setattr(turns, "SKEW", -1.0)
    with pytest.raises(BadInputError, match=r"differ by \d+ s, so ages cannot be trusted; set the clock"):
        collection(store).__enter__()
    assert store.stat(turns.FLAG) is None
