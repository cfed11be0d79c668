"""The stage: only picks are revealed, equal runs give equal bytes, and a second round goes on from the first."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.common.artifacts import (
    TEST,
    TRAIN,
    VALIDATION,
    Dataset,
    load_embeddings,
    load_labels,
    save_dataset,
)
from components.common.cli import Metadata
from components.common.files import read_json, sha256_tree
from components.common.storage import FolderStore
from components.sample.settings import SampleSettings
from components.sample.stage import publish
from tests import tiny
from tests.stages import sample

OUTPUTS = {"embeddings", "candidates", "labels", "sheet.html"}


@pytest.fixture(scope="module")
def done(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Metadata]:
    folder = tmp_path_factory.mktemp("sample") / "out"
    return folder, sample(tiny_world, folder)


def candidates(folder: Path) -> list[dict[str, str]]:
    with (folder / "candidates" / "candidates.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def labels(folder: Path) -> list[dict[str, str]]:
    return load_labels(folder / "labels")[0].to_pylist()


def with_labels(data: Dataset, known: pa.Array) -> Dataset:
    return replace(data, index=data.index.set_column(data.index.column_names.index("label"), "label", known))


def answer(folder: Path, world: tiny.World, rows: list[dict[str, str]]) -> Path:
    """The candidates filled in by someone who knows."""
    known = dict(zip(world.data.column("id"), world.data.column("label"), strict=True))
    path = folder / "answers.csv"
    path.write_text("id,label\n" + "".join(f"{row['id']},{known[row['id']]}\n" for row in rows))
    return path


def without_link(page: str) -> str:
    """A contact sheet without the link to the page of clusters, which only lies beside it in the store."""
    link = '<p><a href="clusters.html">The shape of the data: all images by cluster</a></p>'
    assert page.count(link) == 1
    return page.replace(link, "")


def test_the_outputs_are_what_the_contract_says(tiny_world, done):
    folder, metadata = done
    assert {path.name for path in folder.iterdir()} == OUTPUTS
    assert {path.name for path in (folder / "candidates").iterdir()} == {
        "candidates.csv",
        "candidates.parquet",
        "clusters.html",
        "clusters.parquet",
        "contact_sheet.html",
        "labelstudio.json",
        "summary.json",
    }
    kept = (folder / "candidates" / "contact_sheet.html").read_text()
    assert (folder / "sheet.html").read_text() == without_link(kept)
    neighbours = read_json(folder / "labels" / "labels.json")["neighbours"]
    assert 0 <= neighbours["chance"] < neighbours["share"] <= 1
    assert neighbours["sentence"] in (folder / "candidates" / "clusters.html").read_text()
    embeddings = load_embeddings(folder / "embeddings", tiny_world.data)
    assert (embeddings.dtype, embeddings.shape) == (np.float16, (900, 32))
    np.testing.assert_allclose(np.linalg.norm(embeddings.astype(float), axis=1), 1, atol=2e-3)
    test = len(tiny_world.data.rows(TEST))
    counts = {"train": 20, "validation": 8, "calibration": 6, "test": test, "source": "oracle"}
    assert counts.items() <= metadata["labels"].items()
    assert load_labels(folder / "labels")[1]["round"] == 1
    assert metadata["candidates"]["picks"] == len(candidates(folder)) == 20 + 8 + 6


def test_the_oracle_reveals_its_picks_and_nothing_else(tiny_world, done):
    folder, _ = done
    entries = labels(folder)
    asked = {row["id"] for row in candidates(folder)} | set(tiny_world.data.column("id")[tiny_world.data.rows(TEST)])
    assert {entry["id"] for entry in entries} == asked
    truth = dict(zip(tiny_world.data.column("id"), tiny_world.data.column("label"), strict=True))
    split = dict(zip(tiny_world.data.column("id"), tiny_world.data.column("split"), strict=True))
    assert all(entry["label"] == truth[entry["id"]] and entry["purpose"] == split[entry["id"]] for entry in entries)
    assert {(entry["source"], entry["annotator"], entry["time"]) for entry in entries} == {("oracle", "source", None)}
    text = (folder / "candidates" / "candidates.csv").read_text()
    assert all(line.endswith(",") for line in text.splitlines()[1:])  # what the oracle knows is not handed to people


def test_a_label_that_was_not_bought_changes_nothing(tiny_world, done, tmp_path):
    bought = {entry["id"] for entry in labels(done[0])}
    data = tiny_world.data
    hidden = [
        label if image in bought else None for image, label in zip(data.column("id"), data.column("label"), strict=True)
    ]
    save_dataset(tmp_path / "dataset", with_labels(data, pa.array(hidden, pa.string())))
    sample(tiny_world._replace(dataset=tmp_path / "dataset"), tmp_path / "out")
    assert sha256_tree(tmp_path / "out") == sha256_tree(done[0])


def test_a_second_run_gives_equal_bytes_and_publishes_nothing_new(tiny_world, done, tmp_path):
    store = FolderStore(Path(tiny_world.store))
    before = [stat.key for stat in store.list()]
    metadata = sample(tiny_world, tmp_path / "out")
    assert metadata == done[1]
    assert sha256_tree(tmp_path / "out") == sha256_tree(done[0])
    assert [stat.key for stat in store.list()] == before
    sample(tiny_world, tmp_path / "other", seed=1)
    assert sha256_tree(tmp_path / "other" / "labels") != sha256_tree(done[0] / "labels")


def test_what_is_published_is_the_artifact(tiny_world, done):
    folder, metadata = done
    store = FolderStore(Path(tiny_world.store))
    key = metadata["candidates"]["published"]
    assert key.startswith("candidates/digits/")
    assert load_labels(folder / "labels")[1]["candidates"] == key
    for path in (folder / "candidates").iterdir():
        assert store.read(f"{key}/{path.name}") == path.read_bytes()
    assert store.stat(f"labels/digits/{sha256_tree(folder / 'labels')[:12]}/labels.parquet") is not None


def test_publishing_twice_writes_once(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("one")
    store = FolderStore(tmp_path / "store")
    key = publish(store, tmp_path / "folder", "candidates/x")
    written = (tmp_path / "store" / key / "a.txt").stat().st_mtime_ns
    assert publish(store, tmp_path / "folder", "candidates/x") == key
    assert (tmp_path / "store" / key / "a.txt").stat().st_mtime_ns == written
    (tmp_path / "folder" / "a.txt").write_text("two")
    assert publish(store, tmp_path / "folder", "candidates/x") != key
    assert len(list(store.list("candidates/x/"))) == 2


def test_labels_of_the_source_cost_nothing_and_still_do_not_cross_splits(tiny_world, tmp_path):
    metadata = sample(tiny_world, tmp_path / "out", label_access="source")
    counts = tiny_world.data.counts()
    wanted = {"train": counts[TRAIN], "validation": 8, "calibration": 6, "test": counts[TEST], "source": "source"}
    assert wanted.items() <= metadata["labels"].items()
    assert not [row for row in candidates(tmp_path / "out") if row["purpose"] == TRAIN]  # all of them are answered


def test_a_second_round_keeps_the_answers_and_asks_for_more(tiny_world, tmp_path):
    sample(tiny_world, tmp_path / "first", label_access="file", test_budget=5)
    asked = candidates(tmp_path / "first")
    file = answer(tmp_path, tiny_world, asked[:15] + [row for row in asked if row["purpose"] == VALIDATION])
    metadata = sample(
        tiny_world, tmp_path / "second", label_access="file", test_budget=5, train_budget=25, labels_file=str(file)
    )
    counts = {"train": 15, "validation": 8, "calibration": 0, "test": 0}
    assert {name: metadata["labels"][name] for name in counts} == counts
    assert "waiting" not in metadata["labels"]
    again = candidates(tmp_path / "second")
    answered = {row["id"] for row in asked[:15]}
    fresh = [row for row in again if row["purpose"] == TRAIN and row["reason"] != "labelled before"]
    assert len(fresh) == 25 - 15
    assert not answered & {row["id"] for row in fresh}
    assert [row["id"] for row in again if row["purpose"] != TRAIN] == [
        row["id"] for row in asked if row["purpose"] != TRAIN
    ]
    assert {row["id"] for row in again if row["label"]} == answered | {
        row["id"] for row in asked if row["purpose"] == VALIDATION
    }
    third = sample(
        tiny_world,
        tmp_path / "third",
        label_access="file",
        test_budget=5,
        train_budget=25,
        labels_file=str(tmp_path / "second" / "candidates" / "candidates.csv"),
    )
    assert third["labels"] == metadata["labels"]  # one file, filled in from round to round, holds every answer
    assert {entry["id"] for entry in labels(tmp_path / "second") if entry["purpose"] == TRAIN} == answered
    nearest = {row["nearest_labelled"] for row in fresh}
    assert nearest <= answered | {row["id"] for row in fresh}
    assert nearest & answered


def test_images_that_annotators_disagree_about_stay_open_and_are_asked_again(tiny_world, tmp_path):
    sample(tiny_world, tmp_path / "first", label_access="file", test_budget=5)
    asked = candidates(tmp_path / "first")
    known = dict(zip(tiny_world.data.column("id"), tiny_world.data.column("label"), strict=True))
    train = [row["id"] for row in asked if row["purpose"] == TRAIN]
    held = next(row["id"] for row in asked if row["purpose"] == VALIDATION)
    undrawn = next(
        image
        for image in tiny_world.data.column("id")[tiny_world.data.rows(VALIDATION)]
        if image not in {row["id"] for row in asked}
    )
    disputed = (train[3], train[7], held, undrawn)
    lines = [f"{image},{known[image]},Ada" for image in train]
    for image in disputed:
        others = [name for name in "0123" if name != known[image]]
        lines += [f"{image},{label},{who}" for label, who in zip(others, ("Bob", "Eve", "Joe"), strict=False)]
    path = tmp_path / "answers.csv"
    path.write_text("id,label,annotator\n" + "\n".join(lines) + "\n")
    metadata = sample(
        tiny_world, tmp_path / "second", label_access="file", test_budget=5, train_budget=22, labels_file=str(path)
    )
    told = {name: value for name, value in metadata["labels"].items() if name not in ("assumption", "advice")}
    assert told == {
        "train": 18,
        "validation": 0,
        "calibration": 0,
        "test": 0,
        "source": "file",
        "conflicts": 4,
        "unlabelled_classes": "1 of 10 (9)",
    }
    assert not {entry["id"] for entry in labels(tmp_path / "second")} & set(disputed)
    again = {row["id"]: row for row in candidates(tmp_path / "second")}
    for image in disputed[:3]:
        assert again[image]["reason"].startswith("annotators disagree: 0, ")
        assert again[image]["label"] == ""
    assert undrawn not in again, "its label would not count"
    picked = [row for row in again.values() if row["purpose"] == TRAIN and row["rank"]]
    assert {row["id"] for row in picked[:2]} == {train[3], train[7]}
    assert len(picked) == 22 - 18, "a dispute holds its place in the budget"
    page = (tmp_path / "second" / "sheet.html").read_text()
    assert page.count("annotators disagree: 0, ") >= 3
    tasks = json.loads((tmp_path / "second" / "candidates" / "labelstudio.json").read_text())
    assert [task["data"]["reason"][:19] for task in tasks[:2]] == ["annotators disagree"] * 2


def test_classes_are_those_that_people_named_where_the_source_names_none(tiny_world, tmp_path):
    save_dataset(tmp_path / "dataset", replace(with_labels(tiny_world.data, pa.nulls(900, pa.string())), classes=()))
    world = tiny_world._replace(dataset=tmp_path / "dataset")
    ids = tiny_world.data.column("id")[tiny_world.data.rows(TRAIN)]
    (tmp_path / "answers.csv").write_text(f"id,label\n{ids[0]},zebra\n{ids[1]},ant\n{ids[2]},zebra\n")
    sample(world, tmp_path / "out", label_access="file", labels_file=str(tmp_path / "answers.csv"))
    assert load_labels(tmp_path / "out" / "labels")[1]["classes"] == ["ant", "zebra"]


def test_a_labels_file_that_would_not_be_read_is_refused():
    with pytest.raises(ValueError, match="labels_file is read with label_access: file only"):
        SampleSettings(labels_file="x.csv")
