"""The other columns of a table of images: kept beside the index, covered by the id, equal however they are made."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.artifacts import Dataset, load_dataset
from components.common.attributes import FILE, digest_of, load_attributes
from components.common.data.identity import id_of
from components.common.errors import BadInputError
from components.common.files import sha256_bytes, sha256_json, sha256_tree
from components.common.lineage import fetch_dataset, newest_dataset
from components.common.storage import IntegrityError, open_store
from components.ingest.pack import stage as pack_stage
from components.ingest.plan import planning
from components.ingest.plan.work import planned
from components.ingest.settings import IngestSettings
from components.ingest.source.attributes import MOST, agreed
from components.ingest.stage import run
from tests.ingest.test_ingest import PETS, by_source, fill, ingest
from tests.pipelines.collecting.world import make_old, sweep

SITES = ("north", "south", "")
LINES = [f"in/{key},{key[:3]},{SITES[number % 3]},{number % 2}" for number, key in enumerate(PETS)]


def write(folder: Path, lines: list[str], header: str = "uri,label,Site,flash") -> str:
    fill(folder, {f"in/{key}": data for key, data in PETS.items()})
    (folder / "table.csv").write_text("\n".join([header, *lines]) + "\n")
    return str(folder / "table.csv")


def told(out: Path, dataset: Dataset) -> dict[str, dict[str, str | None]]:
    """Attributes by the key of the image in its source."""
    table = load_attributes(out / "dataset")
    assert table is not None
    assert table.column("id").to_pylist() == dataset.index.column("id").to_pylist()
    sources = dataset.index.column("source").to_pylist()
    return dict(zip(sources, table.drop_columns("id").to_pylist(), strict=True))


def test_columns_of_a_table_are_kept_for_each_image_and_shown_in_the_report(tmp_path: Path) -> None:
    dataset, _, html = ingest(write(tmp_path, LINES), tmp_path)
    assert told(tmp_path, dataset) == {
        f"in/{key}": {"site": SITES[number % 3] or None, "flash": str(number % 2)} for number, key in enumerate(PETS)
    }
    assert '<tr><td>site</td><td class="number">20</td><td class="number">2</td><td>north (10), south (10)' in html
    there = tmp_path / "store" / "datasets" / "pets" / dataset.id
    assert (there / FILE).read_bytes() == (tmp_path / "dataset" / FILE).read_bytes()
    fetch_dataset("pets", dataset.id, open_store(str(tmp_path / "store")), tmp_path / "copy")
    assert load_attributes(tmp_path / "copy") == load_attributes(tmp_path / "dataset")


def test_a_parquet_table_gives_what_the_same_csv_does(tmp_path: Path) -> None:
    table = pa.table(
        {
            "flash": [1, 0, None],
            "uri": [f"in/{key}" for key in list(PETS)[:3]],
            "pixels": [b"1", b"2", b"3"],
            "scores": [[0.1], [0.2], [0.3]],
            "site": pa.array(["north", None, "é"]).dictionary_encode(),
            "grade": [3.0, 2.5, None],
        }
    )
    write(tmp_path, [])
    pq.write_table(table, tmp_path / "table.parquet")
    dataset, _, _ = ingest(str(tmp_path / "table.parquet"), tmp_path / "one")
    lines = [
        f"{1 - n if n < 2 else ''},in/{key},{('north', '', 'é')[n]},{('3', '2.5', '')[n]}"
        for n, key in enumerate(list(PETS)[:3])
    ]
    other, _, _ = ingest(write(tmp_path, lines, "flash,uri,site,grade"), tmp_path / "two")
    assert dataset.id == other.id
    assert told(tmp_path / "one", dataset) == told(tmp_path / "two", other)
    assert next(iter(told(tmp_path / "one", dataset).values())).keys() == {"flash", "site", "grade"}


def test_sources_without_such_columns_have_the_ids_that_they_had(tmp_path: Path) -> None:
    plain = write(tmp_path, [line.rpartition(",")[0].rpartition(",")[0] for line in LINES], "uri,label")
    dataset, _, html = ingest(plain, tmp_path)
    assert load_attributes(tmp_path / "dataset") is None
    assert "attributes" not in json.loads((tmp_path / "dataset" / "dataset.json").read_text())
    assert "Attributes" not in html
    told = json.dumps(dataset.index.drop_columns("text").to_pydict(), sort_keys=True, indent=1) + "\n"
    content = {
        "index": sha256_bytes(told.encode()),
        "shards": [shard.sha256 for shard in dataset.shards],
        "classes": ["cat", "dog"],
        "mode": "RGB",
    }
    assert dataset.id == sha256_json(content)


def test_a_changed_value_is_another_version_that_stores_no_image_again(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    first, _, _ = ingest(write(tmp_path, LINES), tmp_path / "one", store=store)
    second, _, _ = ingest(write(tmp_path, [*LINES[:-1], LINES[-1] + "1"]), tmp_path / "two", store=store)
    assert second.id != first.id
    assert second.shards == first.shards
    assert newest_dataset("pets", open_store(store)) == second
    again, _, _ = ingest(write(tmp_path, LINES), tmp_path / "three", store=store)
    assert again.id == first.id


def test_a_source_that_grew_tells_of_old_images_too(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    ingest(write(tmp_path, LINES[:20]), tmp_path / "one", store=store)
    grown, _, _ = ingest(write(tmp_path, LINES), tmp_path / "two", store=store)
    fresh, _, _ = ingest(write(tmp_path, LINES), tmp_path / "fresh")
    assert told(tmp_path / "two", grown) == told(tmp_path / "fresh", fresh)
    assert grown.attributes == fresh.attributes


def test_many_workers_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, LINES)
    monkeypatch.setattr(planning, "PART_FILES", 7)
    ingest(source, tmp_path / "one")
    settings = IngestSettings(processes=1, workers=3)
    store = str(tmp_path / "store")
    parts = planned(source, "pets", store, settings, tmp_path).ranges
    assert len(parts) == 3
    for number in (2, 0, 1):
        pack_stage.run(source, "pets", store, parts[number], settings, tmp_path / f"packed-{number}")
    packed = [(tmp_path / f"packed-{number}").read_text() for number in range(3)]
    run(source, "pets", store, settings, tmp_path / "many", tmp_path / "report.html", json.dumps(packed))
    assert (tmp_path / "many" / FILE).read_bytes() == (tmp_path / "one" / "dataset" / FILE).read_bytes()
    assert sha256_tree(tmp_path / "many") == sha256_tree(tmp_path / "one" / "dataset")


def test_rows_and_copies_that_differ_leave_a_value_out(tmp_path: Path) -> None:
    first, second, third = list(PETS)[:3]
    shutil.copytree(Path(write(tmp_path, [])).parent / "in", tmp_path / "copies")
    lines = [
        f"in/{first},north,1", f"in/{first},south,1", f"in/{first},north,1",
        f"in/{second},north,", f"copies/{second},south,0", f"copies/{second},south,0",
        f"in/{third},,1", f"in/{third},south,",
    ]  # fmt: skip
    dataset, _, html = ingest(write(tmp_path, lines, "uri,site,flash"), tmp_path)
    found = {by_source(dataset)[key]["id"]: values for key, values in told(tmp_path, dataset).items()}
    ids = {
        key: by_source(dataset)[min(f"in/{key}", f"copies/{key}") if key == second else f"in/{key}"]["id"]
        for key in (first, second, third)
    }
    assert {key: found[image] for key, image in ids.items()} == {
        first: {"site": None, "flash": "1"},
        second: {"site": None, "flash": "0"},
        third: {"site": "south", "flash": "1"},
    }
    assert '<tr><td>site</td><td class="number">1</td><td class="number">1</td><td>south (1)' in html


def test_what_rows_say_together_does_not_depend_on_their_order() -> None:
    rows = ['["a", null]', '["b", "1"]', '["a", "1"]', None]
    assert {
        agreed(agreed(agreed(a, b), c), None)
        for a in rows[:3]
        for b in rows[:3]
        for c in rows[:3]
        if len({a, b, c}) == 3
    } == {'[false, "1"]'}
    assert agreed(None, None) is None


def test_columns_that_cannot_be_kept_are_said(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(MOST + 2)]
    lines = [f"in/{key},7,train,,{','.join('1' * len(names))}" for key in PETS]
    dataset, _, html = ingest(write(tmp_path, lines, f"uri,id,split,,{','.join(names)}"), tmp_path)
    assert list(told(tmp_path, dataset).popitem()[1]) == names[:MOST]
    assert "by these names: id, split; rename the columns to keep them" in html
    assert f"left out: f{MOST} and what follows" in html


@pytest.mark.parametrize("damage", ["changed", "gone", "no table", "dropped"])
def test_attributes_that_are_not_those_of_the_version_are_one_line(tmp_path: Path, damage: str) -> None:
    dataset, _, _ = ingest(write(tmp_path, LINES), tmp_path)
    folder = tmp_path / "store" / "datasets" / "pets" / dataset.id
    about = json.loads((folder / "dataset.json").read_text())
    if damage == "changed":
        table = load_attributes(folder)
        assert table is not None
        pq.write_table(table.set_column(1, "site", pa.array(["east"] * len(table))), folder / FILE)
    elif damage == "gone":
        (folder / FILE).unlink()
    elif damage == "no table":
        (folder / FILE).write_bytes(b"PAR1")
    else:
        (folder / "dataset.json").write_text(json.dumps({k: v for k, v in about.items() if k != "attributes"}))
    with pytest.raises((BadInputError, IntegrityError)) as caught:
        fetch_dataset("pets", dataset.id, open_store(str(tmp_path / "store")), tmp_path / "copy")
    assert "\n" not in str(caught.value)
    assert f"datasets/pets/{dataset.id}" in str(caught.value)
    assert not (tmp_path / "copy").exists()


def test_the_collector_keeps_them_with_their_version(tmp_path: Path) -> None:
    dataset, _, _ = ingest(write(tmp_path, LINES), tmp_path)
    store = open_store(str(tmp_path / "store"))
    sweep(make_old(store), versions=1)
    fetch_dataset("pets", dataset.id, store, tmp_path / "copy")
    attributes = load_attributes(tmp_path / "copy")
    assert attributes is not None
    assert digest_of(attributes) == dataset.attributes
    assert id_of(load_dataset(tmp_path / "copy")) == dataset.id
    ingest(write(tmp_path, LINES[:-1]), tmp_path / "two", store=store.uri)
    sweep(make_old(store), versions=1)
    assert [stat.key for stat in store.list() if dataset.id in stat.key and "/listings/" not in stat.key] == []
