"""Rounds of labelling: records in the store, what changed between two, and the parts of the report that say so."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.common import rounds
from components.common.artifacts import LABELS, load_embeddings, load_labels, save_labels
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_tree, write_json
from components.common.storage import open_store
from components.evaluate import history
from components.evaluate.notebook import OPTIONAL
from components.sample.advice.advise import advise
from tests import tiny

TOGETHER = "Of the 10 nearest neighbours of an image, 58 % lie in its own cluster."


def people(world: tiny.World, folder: Path, count: int, number: int, **changed: str) -> tiny.World:
    """The world with `count` training labels of people in a round, as a store has them; changed: label of the image at
    that place among them.
    """
    train = world.rows["train"][:count]
    rows = {**world.rows, "train": train}
    tiny.labels(folder / "oracle", world.data, rows)
    table, about = load_labels(folder / "oracle")
    entries = table.to_pylist()
    for place, label in changed.items():
        entries[int(place.removeprefix("at"))]["label"] = label
    table = pa.Table.from_pylist([{**entry, "source": "store"} for entry in entries], schema=LABELS)
    save_labels(
        folder / "labels", table, about["classes"], about["candidates"], round=number, neighbours={"sentence": TOGETHER}
    )
    x = load_embeddings(world.embeddings, world.data)
    y = world.data.column("label")
    held_out = world.rows["validation"]
    write_json(folder / "labels" / "label_advice.json", advise(x, train, y[train], held_out, y[held_out], 0, 1))
    features = tiny.torch.from_numpy(np.asarray(x, np.float32))
    for stage, number in (("warmup", 60), ("pseudolabel", count)):
        tiny.classifier(folder / stage, world.data, features, train[:number], stage, folder / "labels")
    assert (folder / "pseudolabel" / "label_advice.json").is_file()  # it travels inside the classifier
    return world._replace(
        labels=folder / "pseudolabel", warm=folder / "warmup", classifier=folder / "pseudolabel", rows=rows
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tiny.World:
    return tiny.build(tmp_path_factory.mktemp("rounds"))


@pytest.fixture(scope="module")
def two(world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> list[tiny.Evaluated]:
    """Round 2 with 80 labels, then round 3 with 100, of which the label of one image changed."""
    folder = tmp_path_factory.mktemp("evaluated")
    first = tiny.evaluated(people(world, folder / "two", 80, 2), folder / "2")
    since = rounds.newest_before(open_store(world.store), "digits", 3)
    known = load_labels(folder / "two" / "labels")[0].column("label")[0].as_py()
    other = people(world, folder / "three", 100, 3, at0="1" if known != "1" else "2")
    return [first, tiny.evaluated(other, folder / "3", since=since)]


def figures(done: tiny.Evaluated) -> dict[str, Any]:
    return read_json(done.evaluation / "metrics.json")


def test_the_first_round_leaves_a_record_and_compares_with_nothing(world, two):
    keys = [stat.key for stat in open_store(world.store).list("rounds/digits/")]
    assert [key.rpartition("/")[2][:5] for key in sorted(keys)] == ["0002-", "0003-"]
    about = figures(two[0])
    assert about["round"] == 2
    assert "since" not in about
    assert "since" not in two[0].metadata["evaluation"]
    page = two[0].report.read_text(encoding="utf-8")
    assert "since the round before" not in page
    assert "Would more labels help?" in page
    assert TOGETHER in page


def test_the_next_one_says_what_changed(two):
    before, after = map(figures, two)
    since = after["since"]
    assert (since["round"], after["round"]) == (2, 3)
    assert since["accuracy"]["change"] == pytest.approx(after["accuracy"] - before["accuracy"])
    assert since["accuracy"]["low"] < since["accuracy"]["change"] < since["accuracy"]["high"]
    assert {key: since["labels"][key] for key in ("added", "changed", "withdrawn")} == {
        "added": 20,
        "changed": 1,
        "withdrawn": 0,
    }
    assert [point["labels"] for point in since["history"]] == [80, 100]
    line = two[1].metadata["evaluation"]["since"]
    points = 100 * (after["accuracy"] - before["accuracy"])
    assert line == (
        f"round 2: accuracy {points:+.1f} points ({100 * before['accuracy']:.1f} to {100 * after['accuracy']:.1f} %), "
        "20 labels more, 1 changed"
    )
    page = two[1].report.read_text(encoding="utf-8")
    assert "What changed since the round before" in page
    assert "Labels that changed or were withdrawn." in page
    assert page.count("Traceback") == 0
    assert "error of the final model" in page


def test_a_record_says_no_place_and_is_the_same_again(world, two, tmp_path):
    store = open_store(world.store)
    key = rounds.newest_before(store, "digits", 3)
    text = store.read(key).decode()
    assert world.store not in text
    assert rounds.save(store, "digits", rounds.load(store, key)) == key
    again = tiny.evaluated(people(world, tmp_path / "two", 80, 2), tmp_path / "2")
    assert sha256_tree(again.evaluation) == sha256_tree(two[0].evaluation)
    assert len(list(store.list("rounds/digits/"))) == 2


def test_labels_of_an_oracle_come_in_no_rounds(tiny_world, tiny_evaluated):
    about = figures(tiny_evaluated)
    assert not {"round", "since", "advice", "assumption", "neighbours"} & about.keys()
    assert not list(open_store(tiny_world.store).list("rounds/"))
    page = tiny_evaluated.report.read_text(encoding="utf-8")
    for heading in ("since the round before", "Would more labels help?"):
        assert heading not in page
    notebook = read_json(tiny_evaluated.evaluation / "report.ipynb")
    tags = {tag for cell in notebook["cells"] for tag in cell["metadata"].get("tags", [])}
    assert tags & OPTIONAL.keys() == {"measured", "slices", "clusters", "suspects", "thresholds"}


def test_records_that_are_gone_or_changed_are_refused(world, two):
    store = open_store(world.store)
    assert rounds.newest_before(store, "digits", 2) == ""
    assert rounds.newest_before(store, "dogs", 9) == ""
    assert "0003-" in rounds.newest_before(store, "digits", 9)
    with pytest.raises(BadInputError, match=r"rounds/digits/x\.json: does not exist"):
        rounds.load(store, "rounds/digits/x.json")
    store.write("rounds/other/0001-000000000000.json", b"{}")
    with pytest.raises(BadInputError, match="was changed"):
        rounds.load(store, "rounds/other/0001-000000000000.json")


def test_changes_in_words():
    labels = {"added": 1, "changed": 0, "withdrawn": 2}
    change = {"before": 0.91, "after": 0.931, "change": 0.021}
    assert history.told({"labels": labels, "accuracy": change}) == (
        "accuracy +2.1 points (91.0 to 93.1 %), 1 label more, 2 withdrawn"
    )
    assert history.told({"labels": {"added": 0, "changed": 1, "withdrawn": 0}}) == "1 label changed"
    assert history.told({"labels": {"added": 0, "changed": 0, "withdrawn": 0}}) == "the same labels"


def test_kinds_of_reasons_leave_out_what_is_of_one_image():
    said = {
        "typical of a cluster of 212 (typicality 3.20)": "typical of a cluster of n",
        "typical of a cluster of 3 (typicality 1.00); perhaps an apple": "typical of a cluster of n",
        "between 4 and 9 (0.46 against 0.44)": "between two classes",
        "could be cat, dog, fox (entropy 1.2)": "could be one of several classes",
        "annotators disagree: cat, dog": "annotators disagree",
        "random draw": "random draw",
        "within 0.31 of 20 images not covered yet": "within n of n images not covered yet",
    }
    assert {reason: history.kind(reason) for reason in said} == said
