"""What goes and what stays, over both stores."""

import json
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from components.common.storage import FolderStore, Store, open_store
from pipelines.collecting.sweep import Sweep
from tests.ingest.test_ingest import PETS, fill, ingest
from tests.ingest.version.test_versions import MORE
from tests.pipelines.collecting.world import (
    CANDIDATES,
    OTHERS,
    add_others,
    contents,
    make_old,
    named_is_there,
    sweep,
)

LEFT = {  # of a killed ingest
    f"datasets/pets/shards/train-{'a' * 64}.tar",
    f"datasets/pets/shards/train-{'a' * 64}.idx",
    f"datasets/pets/thumbnails/{'b' * 64}.parquet",
    f"datasets/pets/looks/{'b' * 64}.parquet",
    f"datasets/pets/{'c' * 64}/index.parquet",
    f"datasets/pets/plans/{'d' * 64}/listing.parquet",
    f"datasets/pets/plans/{'d' * 64}/part-00000.parquet",
    f"datasets/owls/shards/test-{'e' * 64}.tar",  # which never had a version
}


def leave(store: Store) -> None:
    for key in LEFT:
        store.write(key, b"left")


def test_what_something_names_stays_and_what_is_young(tmp_path: Path, store: Store) -> None:
    ingest(fill(tmp_path / "in", PETS), tmp_path / "one", store=store.uri)
    ingest(fill(tmp_path / "in", MORE), tmp_path / "two", store=store.uri)
    add_others(store)
    before = contents(store)
    leave(store)
    assert sweep(store) == []
    assert contents(store).keys() == before.keys() | LEFT
    old = make_old(store)
    listed = list(Sweep(old, 14, None, set()).found())
    assert contents(store).keys() == before.keys() | LEFT, "listing removes nothing, and leaves no flag"
    gone = sweep(old)
    assert [one.thing for one in gone] == [one.thing for one in listed]
    named = {key for key in before if OTHERS.get(key, True)}
    assert contents(store) == {key: before[key] for key in named}
    assert {key for one in gone for key in one.keys} == (before.keys() | LEFT) - named
    assert {one.thing.kind for one in gone} == {
        "version", "plan", "shard", "thumbnails", "candidates", "embeddings", "checkpoint", "job"
    }  # fmt: skip
    assert [(one.thing.objects, one.thing.size) for one in gone if one.thing.key == CANDIDATES[1]] == [
        (2, 2 * len(store.read(f"{CANDIDATES[0]}/candidates.csv")))
    ]
    assert sweep(old) == []


def test_what_follows_an_ingest_still_works(tmp_path: Path, store: Store) -> None:
    source = fill(tmp_path / "in", PETS)
    first, _, _ = ingest(source, tmp_path / "one", store=store.uri)
    leave(store)
    sweep(make_old(store))
    again, figures, _ = ingest(fill(tmp_path / "in", MORE), tmp_path / "two", store=store.uri)
    assert set(first.shards) < set(again.shards)
    assert figures["images"] == 45
    named_is_there(store)


def versions_of(store: Store, tmp_path: Path, many: int) -> list[str]:
    """Ids of that many versions, the oldest first; each shares shards with the one before."""
    ids = []
    items = list(PETS.items())
    for number in range(many):
        source = fill(tmp_path / "in", dict(items[: 15 + 5 * number]))
        ids.append(ingest(source, tmp_path / str(number), store=store.uri)[0].id)
    return ids


def of_pets(store: Store) -> set[str]:
    return {stat.key.split("/")[2] for stat in store.list("datasets/pets/") if stat.key.endswith("/dataset.json")}


def test_old_versions_go_where_they_are_told_to_and_their_shards_unless_shared(tmp_path: Path, store: Store) -> None:
    ids = versions_of(store, tmp_path, 3)
    keys = {json.loads(store.read(f"datasets/pets/{one}/dataset.json"))["shards"][0]["key"] for one in ids}
    assert keys, "the first shard is shared"
    old = make_old(store)
    assert sweep(old) == []
    assert {one.thing.kind for one in sweep(old, versions=2)} == {"version"}, "every shard has a version left"
    assert of_pets(store) == set(ids[1:])
    named_is_there(store)
    assert sweep(old, versions=1)[0].thing.key == f"datasets/pets/{ids[1]}"
    assert of_pets(store) == {ids[2]}
    named_is_there(store)


def test_a_release_or_a_run_keeps_the_version_that_it_is_made_of(tmp_path: Path, store: Store) -> None:
    ids = versions_of(store, tmp_path, 4)
    add_others(store, dataset=ids[0])
    sweep(make_old(store), versions=1, runs=[ids[1]])
    assert of_pets(store) == {ids[0], ids[1], ids[3]}
    named_is_there(store)


def test_shards_of_a_version_that_goes_go_with_it(tmp_path: Path, store: Store) -> None:
    first, _, _ = ingest(fill(tmp_path / "in", PETS), tmp_path / "one", store=store.uri)
    second, _, _ = ingest(fill(tmp_path / "new", MORE), tmp_path / "two", store=store.uri)
    gone = sweep(make_old(store), versions=1)
    assert [one.thing.kind for one in gone].count("shard") == len(set(first.shards) - set(second.shards)) > 0
    assert all(store.stat(shard.key) is None for shard in set(first.shards) - set(second.shards))
    named_is_there(store)


def test_a_version_stays_until_it_has_been_superseded_for_long(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    assert isinstance(store, FolderStore)
    versions_of(store, tmp_path, 2)
    make_old(store, [stat.key for stat in store.list() if "latest.json" not in stat.key])
    assert sweep(store, versions=1) == [], "latest.json named it until now"


def test_a_version_that_came_back_is_as_new_as_its_return(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    first, second = versions_of(store, tmp_path, 2)
    make_old(store)
    make_old(store, [stat.key for stat in store.list(f"datasets/pets/{first}/")], days=70)
    for number in range(15, 20):
        (tmp_path / "in" / list(PETS)[number]).unlink()
    assert ingest(str(tmp_path / "in"), tmp_path / "back", store=store.uri)[0].id == first
    for number in (0, 1):  # two more follow at once
        (tmp_path / "in" / list(PETS)[number]).unlink()
        ingest(str(tmp_path / "in"), tmp_path / f"more-{number}", store=store.uri)
    assert sweep(store, versions=1) == [], "a run may just have begun with any of the four"
    make_old(store)
    sweep(store, versions=2)
    assert len(of_pets(store)) == 2
    assert not of_pets(store) & {first, second}
    named_is_there(store)


def test_a_dataset_with_an_ingest_in_flight_is_left_alone(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    versions_of(store, tmp_path, 2)
    leave(store)
    make_old(store)
    store.write(f"datasets/pets/plans/{'f' * 64}/in-flight-0.json", b"{}")
    looked = Sweep(store, 14, 1, set())
    assert {one.thing.key for one in looked.found()} == {
        f"datasets/pets/plans/{'d' * 64}",
        f"datasets/owls/shards/test-{'e' * 64}",
    }
    assert looked.held == {"datasets/pets": 4}
    assert looked.young == 1


def test_files_of_a_trainjob_stay_while_its_stage_trains(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    add_others(store)
    make_old(store)
    store.write("checkpoints/pretrain/new.safetensors", b"")
    assert "job" not in {one.thing.kind for one in sweep(store)}


@pytest.mark.parametrize(
    ("key", "text", "match"),
    [
        ("datasets/pets/latest.json", b"{", "latest.json: expected JSON, found something else"),
        ("labels/pets/cccccccccccc/labels.json", b"{", "labels.json: expected JSON"),
        ("releases/pets/0123456789abcdef/release.json", b"", "release.json: expected JSON"),
        ("dataset.json", None, r"latest.json: names version \w{64}, whose dataset.json is gone"),
    ],
)
def test_where_something_that_names_cannot_be_read_nothing_is_removed(
    tmp_path: Path, key: str, text: bytes | None, match: str
) -> None:
    store = open_store(str(tmp_path / "store"))
    (one,) = versions_of(store, tmp_path, 1)
    add_others(store)
    leave(store)
    if text is None:
        store.delete(f"datasets/pets/{one}/dataset.json")
    else:
        store.write(key, text)
    make_old(store)
    before = contents(store)
    with pytest.raises(BadInputError, match=match):
        sweep(store, versions=1)
    assert contents(store) == before
