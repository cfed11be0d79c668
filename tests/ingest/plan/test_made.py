"""What `plan`, `pack` and `ingest` hand to each other: parameters of later tasks, which a cache knows them by."""

import json
import shutil
from pathlib import Path

import pytest

from components.common.artifacts import load_dataset
from components.common.files import sha256_tree
from components.common.storage import Store, open_store
from components.ingest.pack import stage as pack_stage
from components.ingest.plan import planning
from components.ingest.plan.work import planned
from components.ingest.settings import IngestSettings
from components.ingest.stage import run
from tests.ingest.test_ingest import PETS, fill, ingest, picture
from tests.pipelines.collecting.world import contents

SETTINGS = IngestSettings(processes=1, workers=2)
MORE = {f"cat/{number:02d}.png": picture(number) for number in range(30, 35)}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a source `in` and a `store` are kept."""
    monkeypatch.setattr(planning, "PART_FILES", 10)
    return str(tmp_path)


@pytest.fixture(params=["folder", "s3"])
def near_or_far(request: pytest.FixtureRequest, place: str) -> str:
    return place if request.param == "folder" else request.getfixturevalue("s3_bucket")


def plan(place: str, out: Path, settings: IngestSettings = SETTINGS) -> list[str]:
    return planned(f"{place}/in", "pets", f"{place}/store", settings, out).ranges


def pack(place: str, out: Path, ranges: list[str], settings: IngestSettings = SETTINGS) -> list[str]:
    packed = []
    for number, parts in enumerate(ranges):
        pack_stage.run(f"{place}/in", "pets", f"{place}/store", parts, settings, out / f"packed-{number}")
        packed.append((out / f"packed-{number}").read_text())
    return packed


def whole(place: str, out: Path) -> tuple[list[str], list[str], str]:
    """One run of the three, none from a cache: parts, packed, and the id of the version."""
    ranges = plan(place, out)
    packed = pack(place, out, ranges)
    store = f"{place}/store"
    run(f"{place}/in", "pets", store, SETTINGS, out / "dataset", out / "report.html", json.dumps(packed))
    return ranges, packed, load_dataset(out / "dataset").id


def put(place: str, files: dict[str, bytes]) -> Store:
    source = open_store(f"{place}/in")
    for key, data in files.items():
        source.write(key, data)
    return source


def test_what_is_handed_on_is_equal_whoever_starts_a_run_and_whatever_the_store_has(
    near_or_far: str, tmp_path: Path
) -> None:
    place = near_or_far
    put(place, PETS)
    first, packed, version = whole(place, tmp_path / "1")
    assert len(first) == 2
    assert packed == first
    store = open_store(f"{place}/store")
    before = contents(store)
    assert plan(place, tmp_path) == first
    assert contents(store) == before
    assert whole(place, tmp_path / "2") == (first, packed, version), "nothing from a cache"
    assert sha256_tree(tmp_path / "1" / "dataset") == sha256_tree(tmp_path / "2" / "dataset")
    assert plan(place, tmp_path) == first


def test_another_file_label_or_setting_is_handed_on_as_another(place: str, tmp_path: Path) -> None:
    source = put(place, PETS)
    keys = [plan(place, tmp_path)[0]]
    source.write("cat/01.png", PETS["dog/02.png"])
    keys.append(plan(place, tmp_path)[0])
    source.write("cat/02.png", PETS["dog/02.png"])
    keys.append(plan(place, tmp_path)[0])
    source.delete("dog/02.png")
    keys.append(plan(place, tmp_path)[0])
    for settings in ({"mode": "L"}, {"labels": "none"}, {"max_pixels": 1000}):
        keys.append(plan(place, tmp_path, settings=SETTINGS.model_copy(update=settings))[0])
    assert len(set(keys)) == 7
    assert plan(place, tmp_path, settings=SETTINGS.model_copy(update={"workers": 3}))[0] != keys[3]


def test_a_plan_of_what_has_been_ingested_leaves_nothing(place: str, tmp_path: Path) -> None:
    put(place, PETS)
    whole(place, tmp_path)
    store = open_store(f"{place}/store")
    before = contents(store)
    for _ in range(2):
        plan(place, tmp_path)
        assert contents(store) == before


def test_a_plan_that_nobody_has_finished_is_kept_for_the_workers(place: str, tmp_path: Path) -> None:
    put(place, PETS)
    ranges = plan(place, tmp_path)
    store = open_store(f"{place}/store")
    assert [stat.key for stat in store.list()] == [f"datasets/pets/plans/{ranges[0].split('/')[0]}/listing.parquet"]
    pack(place, tmp_path, ranges)
    before = contents(store)
    assert plan(place, tmp_path) == ranges
    assert contents(store) == before


def test_a_source_that_grows_and_is_as_it_was_again(place: str, tmp_path: Path) -> None:
    source = put(place, PETS)
    first, _, version = whole(place, tmp_path)
    put(place, MORE)
    second, _, larger = whole(place, tmp_path)
    assert second != first
    for key in MORE:
        source.delete(key)
    store = open_store(f"{place}/store")
    before = contents(store)
    assert plan(place, tmp_path) == first, "the first version, from the cache"
    assert contents(store) == before
    assert json.loads(store.read("datasets/pets/latest.json"))["id"] == larger
    assert whole(place, tmp_path) == (first, first, version), "or made once more"
    put(place, MORE)
    assert whole(place, tmp_path)[0] != first
    assert [stat.key for stat in store.list("datasets/pets/plans/")] == []


def test_a_version_that_is_gone_is_not_taken_from_a_cache(place: str, tmp_path: Path) -> None:
    source = put(place, PETS)
    first, _, version = whole(place, tmp_path)
    put(place, MORE)
    whole(place, tmp_path)
    for key in MORE:
        source.delete(key)
    store = open_store(f"{place}/store")
    kept = {stat.key: store.read(stat.key) for stat in store.list(f"datasets/pets/{version}/")}
    for key in kept:
        store.delete(key)
    second = plan(place, tmp_path)
    assert second == plan(place, tmp_path) == [text.replace("/", ".1/") for text in first]
    assert whole(place, tmp_path) == (second, second, version)
    assert plan(place, tmp_path) == first, "it is there again"
    store.delete(f"datasets/pets/{version}/dataset.json")
    assert plan(place, tmp_path) == [text.replace("/", ".2/") for text in first]


def test_a_worker_that_a_cache_does_not_have_makes_the_plan_itself(place: str, tmp_path: Path) -> None:
    put(place, PETS)
    whole(place, tmp_path / "1")
    settings = SETTINGS.model_copy(update={"processes": 2})
    ranges = plan(place, tmp_path, settings=settings)
    packed = pack(place, tmp_path, ranges, settings)
    run(f"{place}/in", "pets", f"{place}/store", settings, tmp_path / "d", tmp_path / "r", json.dumps(packed))
    assert sha256_tree(tmp_path / "d") == sha256_tree(tmp_path / "1" / "dataset")
    assert [stat.key for stat in open_store(f"{place}/store").list("datasets/pets/plans/")] == []


def test_a_plan_lasts_where_another_version_comes_between(place: str, tmp_path: Path) -> None:
    """Parts are packed on top of a version; the ingest that joins them finds another one."""
    put(place, PETS)
    ranges = plan(place, tmp_path)
    packed = pack(place, tmp_path, ranges[:1])
    other = fill(tmp_path / "other", MORE | dict(list(PETS.items())[:8]))
    ingest(other, tmp_path / "between", store=f"{place}/store")
    packed += pack(place, tmp_path, ranges[1:])
    put(place, {"cat/late.png": picture(99)})  # after it was listed
    run(f"{place}/in", "pets", f"{place}/store", SETTINGS, tmp_path / "d", tmp_path / "r", json.dumps(packed))
    dataset = load_dataset(tmp_path / "d")
    assert sorted(dataset.index.column("source").to_pylist()) == sorted(PETS)
    assert [stat.key for stat in open_store(f"{place}/store").list("datasets/pets/plans/")] == []


def test_what_was_made_of_another_state_of_the_source_is_not_taken_for_this_one(tmp_path: Path) -> None:
    place = str(tmp_path)
    put(place, PETS)
    first = plan(place, tmp_path)
    shutil.rmtree(tmp_path / "store" / "datasets" / "pets" / "plans")
    source = put(place, MORE)
    run(f"{place}/in", "pets", f"{place}/store", SETTINGS, tmp_path / "d", tmp_path / "r", json.dumps(first))
    assert len(load_dataset(tmp_path / "d").index) == 35
    for key in MORE:
        source.delete(key)
    second = plan(place, tmp_path)
    assert second == [text.replace("/", ".1/") for text in first]
    assert whole(place, tmp_path)[:2] == (second, second)
    assert plan(place, tmp_path) == second
