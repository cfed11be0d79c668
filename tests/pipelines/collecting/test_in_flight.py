"""A collector beside ingests, other collectors and a sudden end, at each of the moments that there are."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.common.errors import FailedError
from components.common.storage import FolderStore, IntegrityError, Store, announce, collection, open_store, turns
from components.ingest.plan import work
from components.sample.stage import publish
from pipelines.collecting.sweep import Sweep
from tests.ingest.test_ingest import PETS, fill, ingest
from tests.pipelines.collecting.world import Proxy, add_others, contents, make_old, named_is_there, sweep

ROOT = Path(__file__).parents[3]
FEW = dict(list(PETS.items())[:8])


def killed_before_it_published(tmp_path: Path, store: Store) -> Any:
    """A store with the shards of an ingest whose version nobody ever saw, long ago; nothing in it is named."""
    if not (tmp_path / "left").exists():
        ingest(fill(tmp_path / "in", FEW), tmp_path / "left", store=str(tmp_path / "left" / "store"))
    for stat in list(store.list()):
        store.delete(stat.key)
    left = open_store(str(tmp_path / "left" / "store"))
    for stat in left.list():
        if "/shards/" in stat.key or "/thumbnails/" in stat.key:
            store.write(stat.key, left.read(stat.key))
    return make_old(store)


def ingest_through(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Any) -> None:
    """Ingest the same source once more, by way of a proxy."""
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    monkeypatch.setattr(work, "open_store", lambda uri: store)
    ingest(str(tmp_path / "in"), tmp_path / "out", store=store.uri)


def at_request(number: int, act: Callable[[], object]) -> tuple[Callable[[str, tuple[Any, ...]], None], list[str]]:
    """A function for a Proxy that acts before the request of that number; and the requests so far."""
    seen: list[str] = []

    def before(name: str, arguments: tuple[Any, ...]) -> None:
        seen.append(" ".join([name, *(str(one) for one in arguments[:1])]))
        if len(seen) == number:
            act()

    return before, seen


def through_all_moments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Store, every: int, first: int = 1
) -> int:
    """Let a collector do all its work between any two requests of an ingest; returns how many there are."""
    number = first
    while True:
        old = killed_before_it_published(tmp_path, store)
        before, seen = at_request(number, lambda old=old: sweep(old))  # type: ignore[misc]
        ingest_through(monkeypatch, tmp_path, Proxy(old, before))
        named_is_there(store)
        assert [key for key in contents(store) if "/plans/" in key or key == turns.FLAG] == []
        if len(seen) < number:
            return len(seen)
        number += every


def test_nothing_that_an_ingest_needs_goes_whenever_a_collector_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert through_all_moments(monkeypatch, tmp_path, open_store(str(tmp_path / "store")), every=1) > 20


def test_nothing_that_an_ingest_needs_goes_on_s3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_bucket: str
) -> None:
    through_all_moments(monkeypatch, tmp_path, open_store(f"{s3_bucket}/a"), every=7, first=3)


def test_a_collector_that_looks_for_no_marks_would_be_seen_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.collecting.sweep.is_in_flight", lambda *_: False)
    with pytest.raises((AssertionError, KeyError, IntegrityError)):
        through_all_moments(monkeypatch, tmp_path, open_store(str(tmp_path / "store")), every=1)


class Beside:
    """An ingest in a thread of its own, from the moment it is started until it is done or waits for the collector."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Any) -> None:
        self.waits = threading.Event()
        self.errors: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, args=(monkeypatch, tmp_path, Proxy(store, self._before)))
        self.flags = 0

    def start(self) -> None:
        self.thread.start()
        while self.thread.is_alive() and not self.waits.is_set():
            time.sleep(0.002)

    def _before(self, name: str, arguments: tuple[Any, ...]) -> None:
        self.flags += (name, *arguments) == ("list", turns.FLAG)
        if self.flags == 3:  # the second look is the first while it waits
            self.waits.set()

    def _run(self, *arguments: Any) -> None:
        try:
            ingest_through(*arguments)
        except BaseException as error:
            self.errors.append(error)
        self.waits.set()


def beside_all_moments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[int, int]:
    """Let an ingest begin between any two requests of a collector; returns how many there are, and how often it had to
    wait.
    """
    monkeypatch.setattr(turns, "PAUSE", 0.01)
    store = open_store(str(tmp_path / "store"))
    number = waited = 0
    while True:
        number += 1
        old = killed_before_it_published(tmp_path, store)
        beside = Beside(monkeypatch, tmp_path, old)
        before, _ = at_request(number, beside.start)
        sweep(Proxy(old, before))
        if beside.thread.ident is None:
            return number, waited
        waited += beside.thread.is_alive()
        beside.thread.join(60)
        assert beside.errors == []
        named_is_there(store)


def test_nothing_that_an_ingest_needs_goes_whenever_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments, waited = beside_all_moments(monkeypatch, tmp_path)
    assert moments > 10
    assert 5 < waited < moments


def test_an_ingest_that_did_not_wait_would_be_seen_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "announce", lambda store, mark: store.write(mark, b"{}"))
    with pytest.raises((AssertionError, KeyError, IntegrityError)):
        beside_all_moments(monkeypatch, tmp_path)


def test_candidates_that_are_published_again_are_whole_whenever_a_collector_comes(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    fill(tmp_path / "picks", {"candidates.csv": b"id", "contact_sheet.html": b"<html>", "labelstudio.json": b"[]"})
    seen: list[str] = []
    number = 0
    while number <= len(seen):
        number += 1
        key = publish(store, tmp_path / "picks", "candidates/pets")  # by a run that was killed before it wrote labels
        old = make_old(store)
        before, seen = at_request(number, lambda old=old: sweep(old))  # type: ignore[misc]
        proxy: Any = Proxy(old, before)
        assert publish(proxy, tmp_path / "picks", "candidates/pets", unnamed=True) == key
        assert {stat.key for stat in store.list(f"{key}/")} == {
            f"{key}/{name}" for name in ("candidates.csv", "contact_sheet.html", "labelstudio.json")
        }
    assert number > 4


class PowerCutError(BaseException):
    """Nothing reaches the store any more."""


def test_a_collector_that_is_killed_leaves_what_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = open_store(str(tmp_path / "base"))
    for number in (8, 15, 30):
        source = fill(tmp_path / "in", dict(list(PETS.items())[:number]))
        ingest(source, tmp_path / str(number), store=base.uri)
    shutil.rmtree(tmp_path / "in" / "cat")
    ingest(str(tmp_path / "in"), tmp_path / "last", store=base.uri)
    add_others(base)
    requests = number = 0
    while number <= requests:
        number += 1
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        shutil.copytree(tmp_path / "base", tmp_path / "store")
        store = make_old(open_store(str(tmp_path / "store")))
        lock = threading.Lock()
        seen: list[str] = []

        def before(name: str, arguments: tuple[Any, ...], seen=seen, lock=lock, number=number) -> None:
            with lock:
                seen.append(name)
                if len(seen) >= number:
                    raise PowerCutError

        try:
            sweep(Proxy(store, before), versions=1)
        except PowerCutError:
            requests = max(requests, len(seen))
        named_is_there(store)
        if store.stat(turns.FLAG):
            with pytest.raises(FailedError, match=r"another `gleaner store gc --delete` is at work, last seen \d\d:"):
                sweep(store, versions=1)
            with monkeypatch.context() as patch:
                patch.setattr(turns, "LEASE", -1.0)  # ten minutes later
                announce(store, "mark")
            store.delete("mark")
            assert store.stat(turns.FLAG) is None
        sweep(store, versions=1)
        named_is_there(store)
        assert list(Sweep(store, 14, 1, set()).found()) == []
    assert number > 20


def test_of_two_collectors_one_says_that_the_other_is_at_work(tmp_path: Path, store: Store) -> None:
    add_others(store)
    with collection(store), pytest.raises(FailedError, match="another `gleaner store gc --delete` is at work"):
        sweep(store)
    assert store.stat(turns.FLAG) is None
    sweep(store)


def test_a_killed_process_leaves_what_can_be_read(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    assert isinstance(store, FolderStore)
    ingest(fill(tmp_path / "in", FEW), tmp_path / "one", store=store.uri)
    for number in range(2000):
        store.upload(f"datasets/pets/shards/train-{number:064x}.tar", tmp_path / "one" / "report.html")
    make_old(store)
    command = [sys.executable, "-m", "pipelines", "store", "gc", "store", "--delete"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(100):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    left = sum(1 for _ in store.list())
    assert 100 < left < 2000
    named_is_there(store)
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert again.returncode == 1
    assert again.stderr.startswith("error: store: another `gleaner store gc --delete` is at work, last seen ")
    os.utime(store.root / turns.FLAG, (0, 0))
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert again.stdout.rstrip().endswith("removed")
    assert sum(1 for _ in store.list()) < 20
    named_is_there(store)
