"""The stage: equal bytes, classes without a training label left out, and fewer than two of them refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.common.artifacts import TRAIN, save_embeddings
from components.common.cli import Metadata
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_tree
from components.common.learning.inference import logits
from components.common.learning.loading import Images
from components.common.learning.models import load_classifier
from components.common.storage import open_store
from tests import tiny
from tests.stages import warmup


@pytest.fixture(scope="module")
def done(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Metadata]:
    folder = tmp_path_factory.mktemp("warmup") / "out"
    return folder, warmup(tiny_world, folder, head_steps=200, steps=40)


def relabelled(world: tiny.World, folder: Path, train: np.ndarray) -> tiny.World:
    """The world with other training labels."""
    tiny.labels(folder, world.data, {**world.rows, TRAIN: train})
    return world._replace(labels=folder)


def test_the_artifact_and_the_figures(tiny_world, done):
    folder, metadata = done
    _, spec, about = load_classifier(folder / "warm")
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
    assert metadata["warm"] == {"stage": "warmup", "handed_on": False}


def test_a_second_run_gives_equal_bytes_and_another_seed_does_not(tiny_world, tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        warmup(tiny_world, tmp_path / name, seed)
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "two") != sha256_tree(tmp_path / "three")


def test_propagated_labels_teach_and_are_counted_apart(tiny_world, done, tmp_path):
    n = len(tiny_world.rows[TRAIN])
    models = []
    for name, weight in (("even", 1.0), ("less", 0.2)):
        world = tiny.propagated(tiny_world, tmp_path / name, 60, weight)
        metadata = warmup(world, tmp_path / name / "out", head_steps=200, steps=40)
        assert (metadata["metrics"]["labels"], metadata["metrics"]["propagated"]) == (60, n - 60)
        models.append((tmp_path / name / "out" / "warm" / "classifier.safetensors").read_bytes())
    people = (done[0] / "warm" / "classifier.safetensors").read_bytes()
    assert models[0] == people != models[1]  # who gave a label shows in its weight alone


def test_without_validation_labels_no_accuracy_is_claimed(tiny_world, tmp_path):
    tiny.labels(tmp_path / "labels", tiny_world.data, {TRAIN: tiny_world.rows[TRAIN]})
    metadata = warmup(tiny_world._replace(labels=tmp_path / "labels"), tmp_path / "out", steps=1)
    assert metadata["metrics"] == {"labels": len(tiny_world.rows[TRAIN]), "validation_images": 0}
    assert load_classifier(tmp_path / "out" / "warm")[2]["validation_accuracy"] is None


def test_a_class_without_a_training_label_is_left_out_and_counts_as_wrong(tiny_world, partial_world, tmp_path, capsys):
    metadata = warmup(partial_world, tmp_path / "out")
    model, spec, about = load_classifier(tmp_path / "out" / "warm")
    assert (about["classes"], about["unlabelled_classes"]) == (list("01245689"), ["3", "7"])
    assert model.head.out_features == 8
    assert metadata["warm"]["unlabelled_classes"] == "2 of 10 (3, 7)"
    assert "classes without a training label: 2 of 10 (3, 7); none of them can be predicted" in capsys.readouterr().out
    held = tiny_world.rows["validation"]
    images = Images(tiny_world.data, open_store(tiny_world.store), spec.mode, spec.image_size)
    said = [about["classes"][index] for index in logits(model, spec, images, held, 64).argmax(axis=1)]
    right = [label == answer for label, answer in zip(tiny_world.data.column("label")[held], said, strict=True)]
    assert metadata["metrics"]["validation_accuracy"] == sum(right) / len(held)
    assert metadata["metrics"]["validation_images"] == len(held)


def test_two_classes_are_enough_and_one_is_not(tiny_world, tmp_path):
    label = tiny_world.data.column("label")[tiny_world.rows[TRAIN]]
    for names in (["4", "9"], ["4"], []):
        world = relabelled(tiny_world, tmp_path / "labels", tiny_world.rows[TRAIN][np.isin(label, names)])
        if len(names) == 2:
            warmup(world, tmp_path / "two", steps=1)
            assert load_classifier(tmp_path / "two" / "warm")[2]["classes"] == names
            continue
        with pytest.raises(BadInputError, match=r"the training labels are of .*; expected at least two classes"):
            warmup(world, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_embeddings_of_another_dataset_are_refused(tiny_world, tmp_path):
    save_embeddings(tmp_path / "embeddings", np.zeros((900, 32)), replace(tiny_world.data, id="f" * 64))
    with pytest.raises(
        BadInputError, match=r"embeddings of dataset ffffffffffff, not of .*; run `sample` on this dataset"
    ):
        warmup(tiny_world._replace(embeddings=tmp_path / "embeddings"), tmp_path / "out")
