"""The stage: equal bytes, and too few labels in one line that names the class and the pictures to label."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.common.artifacts import LABELS, SPLITS, TRAIN, load_labels, save_embeddings, save_labels
from components.common.cli import Metadata
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_tree
from components.common.learning.models import load_classifier
from tests import tiny
from tests.stages import warmup


@pytest.fixture(scope="module")
def done(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Metadata]:
    folder = tmp_path_factory.mktemp("warmup") / "out"
    return folder, warmup(tiny_world, folder, head_steps=200, steps=40)


def relabelled(world: tiny.World, folder: Path, train: np.ndarray, classes: list[str] | None = None) -> tiny.World:
    """The world with other training labels."""
    tiny.labels(folder, world.data, {**world.rows, TRAIN: train})
    if classes is not None:
        table = load_labels(folder)[0]
        kept = [entry for entry in table.to_pylist() if entry["label"] in classes]
        save_labels(folder, table.from_pylist(kept, schema=LABELS), classes, "candidates/digits/abc")
    return world._replace(labels=folder)


def test_the_artifact_and_the_figures(tiny_world, done):
    folder, metadata = done
    _, spec, about = load_classifier(folder / "classifier")
    figures = metadata["metrics"]
    assert spec == tiny.SPEC
    assert (about["stage"], about["handed_on"], about["dataset"]) == ("warmup", False, tiny_world.data.id)
    assert about["classes"] == list("0123456789")
    assert about["labels"] == read_json(tiny_world.labels / "labels.json")["sha256"]
    assert (about["seed"], about["threads"], about["precision"]) == (0, 1, "float32")
    assert figures == read_json(folder / "metrics")
    assert (figures["labels"], figures["validation_images"]) == (
        len(tiny_world.rows[TRAIN]),
        len(tiny_world.rows["validation"]),
    )
    assert about["validation_accuracy"] == figures["validation_accuracy"] > 0.6
    assert metadata["classifier"] == {"stage": "warmup", "handed_on": False}


def test_a_second_run_gives_equal_bytes_and_another_seed_does_not(tiny_world, tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        warmup(tiny_world, tmp_path / name, seed)
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "two") != sha256_tree(tmp_path / "three")


def test_without_validation_labels_no_accuracy_is_claimed(tiny_world, tmp_path):
    tiny.labels(tmp_path / "labels", tiny_world.data, {TRAIN: tiny_world.rows[TRAIN]})
    metadata = warmup(tiny_world._replace(labels=tmp_path / "labels"), tmp_path / "out", steps=1)
    assert metadata["metrics"] == {"labels": len(tiny_world.rows[TRAIN]), "validation_images": 0}
    assert load_classifier(tmp_path / "out" / "classifier")[2]["validation_accuracy"] is None


def test_a_class_without_a_label_is_named_with_what_to_do(tiny_world, tmp_path):
    train = tiny_world.rows[TRAIN]
    without = train[~np.isin(tiny_world.data.column("label")[train], ["3", "7"])]
    with pytest.raises(BadInputError) as error:
        warmup(relabelled(tiny_world, tmp_path / "labels", without, list("0123456789")), tmp_path / "out")
    said = str(error.value)
    assert said.startswith(
        f"no training label for class '3', '7' ({len(without)} labels in all); expected one of each class"
    )
    assert "raise sample.train_budget" in said
    assert f"images of {tiny_world.store}/candidates/digits/abc/candidates.csv" in said
    assert "\n" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["4"], r"the labels name \['4'\]; expected at least two classes"),
        ([], "no image is labelled yet; expected at least two classes"),
    ],
)
def test_fewer_than_two_classes_is_one_line_that_points_at_the_candidates(tiny_world, tmp_path, classes, said):
    world = relabelled(tiny_world, tmp_path / "labels", tiny_world.rows[TRAIN], classes)
    with pytest.raises(BadInputError, match=said + ".*/candidates/digits/abc/candidates.csv and .*sample.labels_file"):
        warmup(world, tmp_path / "out")


def test_no_labels_yet_names_every_class(tiny_world, tmp_path):
    nobody = {split: np.empty(0, np.int64) for split in SPLITS}
    tiny.labels(tmp_path / "labels", tiny_world.data, nobody)
    with pytest.raises(BadInputError, match=r"no training label for class '0', '1', .*'9' \(0 labels in all\)"):
        warmup(tiny_world._replace(labels=tmp_path / "labels"), tmp_path / "out")


def test_embeddings_of_another_dataset_are_refused(tiny_world, tmp_path):
    save_embeddings(tmp_path / "embeddings", np.zeros((900, 32)), replace(tiny_world.data, id="f" * 64))
    with pytest.raises(
        BadInputError, match=r"embeddings of dataset ffffffffffff, not of .*; run `sample` on this dataset"
    ):
        warmup(tiny_world._replace(embeddings=tmp_path / "embeddings"), tmp_path / "out")
