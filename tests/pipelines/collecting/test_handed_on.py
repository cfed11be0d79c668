"""A collector beside `plan`, `pack` and `ingest` as tasks of their own, and beside plans whose workers Kubeflow takes
from its cache.
"""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from components.common.storage import FolderStore, Store, open_store, turns
from components.ingest.pack import stage as pack_stage
from components.ingest.plan import work
from components.ingest.settings import IngestSettings
from components.ingest.stage import run
from pipelines.collecting.sweep import Sweep
from tests.ingest.test_ingest import PETS, fill, ingest
from tests.ingest.version.test_versions import MORE
from tests.pipelines.collecting.test_in_flight import FEW, Beside, at_request
from tests.pipelines.collecting.test_sweep import LEFT, leave
from tests.pipelines.collecting.world import Proxy, contents, make_old, named_is_there, sweep


class World(NamedTuple):
    """A store that was used long ago: a version, and one that superseded it, of a source that is as it was at first."""

    base: Path
    folder: Path
    first: str  # id
    second: str

    def store(self) -> Any:
        """A copy of it."""
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        shutil.copytree(self.base / "store", self.folder / "store")
        return make_old(open_store(str(self.folder / "store")))

    def plan(self, store: Any) -> str:
        """Plan the source as it was at first; the key that is handed on."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(work, "open_store", lambda uri: store)
            (parts,) = work.planned(
                str(self.base / "in"), "pets", store.uri, IngestSettings(), self.folder / "plan"
            ).ranges
        return parts.partition("/")[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    base = tmp_path_factory.mktemp("base")
    ids = []
    for files in (PETS, MORE):
        ids.append(ingest(fill(base / "in", files), base, store=str(base / "store"))[0].id)
    shutil.rmtree(base / "in" / "owl")
    return World(base, tmp_path_factory.mktemp("copy"), *ids)


def versions(store: Store) -> set[str]:
    return {stat.key.split("/")[2] for stat in store.list("datasets/pets/") if stat.key.endswith("/dataset.json")}


def test_plans_every_night_are_no_ingest_in_flight(world: World) -> None:
    store = world.store()
    leave(store)
    make_old(store)
    before = contents(store).keys()
    world.plan(store)
    assert contents(store).keys() == before
    looked = Sweep(store, 14, None, set())
    assert {key for one in looked.found() for key in one.keys} == LEFT
    assert (looked.held, looked.young) == ({}, 0)
    sweep(store)
    assert contents(store).keys() == before - LEFT


def test_a_version_that_was_handed_on_lately_stays(world: World) -> None:
    store = world.store()
    key = world.plan(store)
    assert sweep(store, versions=1) == []
    make_old(store)
    assert sweep(store, versions=1)[0].thing.key == f"datasets/pets/{world.first}"
    assert versions(store) == {world.second}
    noted = [stat.key for stat in store.list("datasets/pets/listings/")]
    assert f"datasets/pets/listings/{key}/{world.first}.json" in noted, "so that the cache gives it to nobody"
    assert world.plan(store) == f"{key}.1"
    assert [stat.key for stat in store.list("datasets/pets/plans/")] == [f"datasets/pets/plans/{key}/listing.parquet"]


def is_right(world: World, store: Any, key: str) -> bool:
    """Whether what a plan handed on is the version, which is there, or another key where it is gone; says which."""
    named_is_there(store)
    is_there = world.first in versions(store)
    assert key.endswith(".1") != is_there
    sweep(store, versions=1)
    assert (world.first in versions(store)) == is_there, "it stays from now on"
    return is_there


def test_whenever_a_collector_comes_what_was_handed_on_is_there(world: World) -> None:
    seen: list[str] = []
    found = []
    number = 0
    while number <= len(seen):
        number += 1
        store = world.store()
        before, seen = at_request(number, lambda store=store: sweep(store, versions=1))  # type: ignore[misc]
        found.append(is_right(world, store, world.plan(Proxy(store, before))))
    assert set(found) == {True, False}


class PlanBeside(Beside):
    """A plan in a thread of its own."""

    def __init__(self, world: World, store: FolderStore) -> None:
        self.world = world
        self.key = ""
        super().__init__(None, None, store)  # type: ignore[arg-type]

    def _run(self, _: object, __: object, store: Any) -> None:
        try:
            self.key = self.world.plan(store)
        except BaseException as error:
            self.errors.append(error)
        self.waits.set()


def beside_all_moments(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[bool, bool]]:
    """Let a plan begin between any two requests of a collector; for each, whether it waited and the version stayed."""
    monkeypatch.setattr(turns, "PAUSE", 0.01)
    number = 0
    while True:
        number += 1
        store = world.store()
        beside = PlanBeside(world, store)
        before, _ = at_request(number, beside.start)
        sweep(Proxy(store, before), versions=1)
        if beside.thread.ident is None:
            return
        waited = beside.thread.is_alive()
        beside.thread.join(60)
        assert beside.errors == []
        yield waited, is_right(world, store, beside.key)


def test_whenever_a_plan_comes_what_it_hands_on_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    found = set(beside_all_moments(world, monkeypatch))
    assert (False, True) in found, "before the collector began"
    assert (True, False) in found, "after it had listed the store"
    assert (False, False) in found, "after it had removed the version"
    assert threading.active_count() == before


def test_a_plan_that_did_not_wait_would_be_seen_here(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.ingest.plan.made.announce", lambda store, mark: store.write(mark, b"{}"))
    with pytest.raises(AssertionError):
        list(beside_all_moments(world, monkeypatch))


def test_tasks_that_go_on_from_killed_ones_lose_nothing_whenever_a_collector_comes(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", FEW)
    settings = IngestSettings(processes=1)
    packed = tmp_path / "packed"
    (parts,) = work.planned(source, "pets", str(tmp_path / "base"), settings, tmp_path).ranges
    pack_stage.run(source, "pets", str(tmp_path / "base"), parts, settings, packed)
    seen: list[str] = []
    number = 0
    while number <= len(seen):
        number += 1
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        shutil.copytree(tmp_path / "base", tmp_path / "store")
        store = make_old(open_store(str(tmp_path / "store")))
        before, seen = at_request(number, lambda store=store: sweep(store))  # type: ignore[misc]
        proxy = Proxy(store, before)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(work, "open_store", lambda uri, proxy=proxy: proxy)
            assert work.planned(source, "pets", store.uri, settings, tmp_path).ranges == [parts]
            pack_stage.run(source, "pets", store.uri, parts, settings, packed)
            handed = json.dumps([packed.read_text()])
            run(source, "pets", store.uri, settings, tmp_path / "dataset", tmp_path / "report.html", handed)
        named_is_there(store)
        assert [stat.key for stat in store.list() if "/plans/" in stat.key or stat.key == turns.FLAG] == []
    assert number > 20
