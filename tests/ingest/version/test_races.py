"""Several workers of one ingest, and several ingests at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.common.artifacts import load_dataset
from components.common.errors import BadInputError
from components.common.files import sha256_tree
from components.common.storage import open_store
from components.ingest import merge
from components.ingest.pack import packing
from components.ingest.pack import stage as pack_stage
from components.ingest.plan import planning
from components.ingest.plan.work import planned
from components.ingest.settings import IngestSettings
from components.ingest.stage import run
from tests.ingest.test_ingest import PETS, fill, ingest
from tests.ingest.version.test_versions import MORE, readable


@pytest.mark.parametrize("workers", [1, 3, 9])
def test_any_number_of_workers_in_any_order_make_equal_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(planning, "PART_FILES", 7)
    files = {**PETS, "dog/again.png": PETS["cat/01.png"], "cat/broken.png": b"no"}
    source = fill(tmp_path / "in", files)
    settings = IngestSettings(processes=1, workers=workers)
    ingest(source, tmp_path / "alone")
    out = tmp_path / "many"
    store = str(tmp_path / "many" / "store")
    ranges = planned(source, "pets", store, settings, out).ranges
    assert len(ranges) == min(workers, 5)
    for number, parts in enumerate(reversed(ranges)):
        pack_stage.run(source, "pets", store, parts, settings, tmp_path / str(number) / "packed")
    monkeypatch.setattr(packing, "check_all", None)  # nothing is left to decode
    run(source, "pets", store, settings, out / "dataset", out / "report.html", json.dumps(ranges))
    assert sha256_tree(out / "dataset") == sha256_tree(tmp_path / "alone" / "dataset")
    assert sha256_tree(out / "store") == sha256_tree(tmp_path / "alone" / "store")


def test_what_workers_left_may_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "PART_FILES", 7)
    source = fill(tmp_path / "in", PETS)
    settings = IngestSettings(processes=1, workers=2)
    store = str(tmp_path / "store")
    first, last = planned(source, "pets", store, settings, tmp_path).ranges
    pack_stage.run(source, "pets", store, first, settings, tmp_path / "packed")
    for stat in list(open_store(store).list("datasets/pets/plans/")):
        open_store(store).delete(stat.key)
    pack_stage.run(source, "pets", store, last, settings, tmp_path / "packed")
    run(source, "pets", store, settings, tmp_path / "dataset", tmp_path / "report.html", json.dumps([first, last]))
    assert load_dataset(tmp_path / "dataset").index == ingest(source, tmp_path / "alone")[0].index
    with pytest.raises(BadInputError, match=r"--parts '9:9': expected first:last with numbers from 0 to 4"):
        pack_stage.run(source, "pets", str(tmp_path / "other"), f"{'0' * 64}/9:9", settings, tmp_path / "packed")


def racing(monkeypatch: pytest.MonkeyPatch, source: str, out: Path, store: Path) -> None:
    """Let another ingest publish just before the next one does."""
    publish = merge.publish

    def second(*arguments: Any) -> None:
        monkeypatch.setattr(merge, "publish", publish)
        ingest(source, out, store=str(store))
        publish(*arguments)

    monkeypatch.setattr(merge, "publish", second)


def test_of_two_equal_ingests_both_end_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = fill(tmp_path / "in", PETS)
    store = tmp_path / "store"
    racing(monkeypatch, source, tmp_path / "other", store)
    first, _, _ = ingest(source, tmp_path / "one", store=str(store))
    assert sha256_tree(tmp_path / "one" / "dataset") == sha256_tree(tmp_path / "other" / "dataset")
    assert json.loads(open_store(str(store)).read("datasets/pets/latest.json"))["id"] == first.id


def test_an_ingest_takes_away_its_own_mark_and_none_of_one_by_other_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fill(tmp_path / "in", PETS)
    store = open_store(str(tmp_path / "store"))
    publish = merge.publish

    def second(*arguments: Any) -> None:
        monkeypatch.setattr(merge, "publish", publish)
        ingest(source, tmp_path / "other", store=store.uri, unfinished_hours=1)
        (mark,) = store.list("datasets/pets/plans/")
        assert "/in-flight-" in mark.key
        publish(*arguments)

    monkeypatch.setattr(merge, "publish", second)
    ingest(source, tmp_path / "one", store=store.uri)
    assert list(store.list("datasets/pets/plans/")) == []


def test_of_two_different_ingests_one_wins_and_the_other_says_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    source = fill(tmp_path / "in", PETS)
    other = fill(tmp_path / "other", {**dict(list(PETS.items())[2:]), **MORE})
    racing(monkeypatch, other, tmp_path / "won", store)
    with pytest.raises(
        BadInputError,
        match=r"latest\.json: another ingest has published version \w{12} meanwhile, with 15 images that "
        r"version \w{12} lacks and without 2 that it has; run again to build on it",
    ):
        ingest(source, tmp_path / "lost", store=str(store))
    assert not (tmp_path / "lost" / "dataset").exists()
    won = load_dataset(tmp_path / "won" / "dataset")
    assert json.loads(open_store(str(store)).read("datasets/pets/latest.json"))["id"] == won.id
    again, _, _ = ingest(source, tmp_path / "lost", store=str(store))
    assert readable(again, store)
