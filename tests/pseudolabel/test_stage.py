"""The stage never hands on less than it was given, says so, and repeats to the byte."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.common.artifacts import TRAIN
from components.common.cli import Metadata
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_file, sha256_tree
from components.common.learning.inference import logits
from components.common.learning.loading import Images
from components.common.learning.models import load_classifier
from components.common.storage import open_store
from tests import tiny
from tests.stages import pseudolabel, warmup

WEIGHTS = "classifier.safetensors"


@pytest.fixture(scope="module")
def few(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> tiny.World:
    """The tiny world with a warm-up model that has learned from sixty labels."""
    folder = tmp_path_factory.mktemp("few")
    tiny.labels(folder / "labels", tiny_world.data, {**tiny_world.rows, TRAIN: tiny_world.rows[TRAIN][:60]})
    warmup(tiny_world._replace(labels=folder / "labels"), folder / "out", steps=60)
    return tiny_world._replace(warm=folder / "out" / "warm")


@pytest.fixture(scope="module")
def done(few: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Metadata]:
    """Pseudo-labels on top of it, and all labels of the train split, so that it must get better."""
    folder = tmp_path_factory.mktemp("pseudolabel")
    return folder, pseudolabel(few, folder, steps=100)


def about(folder: Path) -> dict:
    return load_classifier(folder / "classifier")[2]


def test_the_artifact_and_the_figures(tiny_world, done):
    folder, metadata = done
    figures = metadata["metrics"]
    facts = about(folder)
    assert figures == read_json(folder / "metrics")
    assert (figures["labels"], figures["unlabelled"]) == (len(tiny_world.rows[TRAIN]), len(tiny_world.data.rows(TRAIN)))
    assert figures["validation_accuracy"] >= figures["warmup_validation_accuracy"]
    assert facts["validation_accuracy"] == figures["validation_accuracy"]
    assert metadata["classifier"] == {"stage": "pseudolabel", "handed_on": facts["handed_on"], "why": facts["why"]}
    assert (facts["stage"], facts["dataset"]) == ("pseudolabel", tiny_world.data.id)
    assert facts["labels"] == read_json(tiny_world.labels / "labels.json")["sha256"]
    history = [json.loads(line) for line in (folder / "classifier" / "history.jsonl").read_text().splitlines()]
    assert history[-1]["step"] == 100
    assert figures["confident"] == history[-1]["confident"]
    health = facts["health"]
    assert (health["images"], [line["class"] for line in health["classes"]]) == (
        figures["unlabelled"],
        facts["classes"],
    )
    for share in ("labels", "predicted", "confident"):
        assert sum(line[share] for line in health["classes"]) == pytest.approx(1)


def test_propagated_labels_are_counted_apart_and_weigh_less(few, tmp_path):
    models = []
    for name, weight in (("even", 1.0), ("less", 0.2)):
        world = tiny.propagated(few, tmp_path / name, 60, weight)
        figures = pseudolabel(world, tmp_path / name / "out", steps=5)["metrics"]
        assert (figures["labels"], figures["propagated"]) == (60, len(few.rows[TRAIN]) - 60)
        models.append(read_json(tmp_path / name / "out" / "classifier" / "classifier.json")["labels"])
        models.append((tmp_path / name / "out" / "classifier" / "history.jsonl").read_bytes())
    assert models[0] != models[2]
    assert models[1] != models[3]


def test_six_hundred_labels_where_the_warm_up_had_sixty_make_it_better(few, done):
    folder, metadata = done
    assert not about(folder)["handed_on"]
    assert about(folder)["why"].startswith("the new model holds: of ")
    assert metadata["metrics"]["validation_accuracy"] > metadata["metrics"]["warmup_validation_accuracy"]
    assert sha256_file(folder / "classifier" / WEIGHTS) != sha256_file(few.warm / WEIGHTS)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_second_run_gives_equal_bytes_and_another_seed_does_not(tiny_world, tmp_path, precision):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        pseudolabel(tiny_world, tmp_path / name, seed, steps=4, precision=precision)
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "two") != sha256_tree(tmp_path / "three")


@pytest.mark.parametrize("rate", [1e4, 1e30])
def test_a_model_that_was_spoiled_is_replaced_by_the_warm_up_model_to_the_byte(tiny_world, tmp_path, rate):
    metadata = pseudolabel(tiny_world, tmp_path, learning_rate=rate)
    assert sha256_file(tmp_path / "classifier" / WEIGHTS) == sha256_file(tiny_world.warm / WEIGHTS)
    facts = about(tmp_path)
    assert facts["handed_on"]
    assert metadata["classifier"]["handed_on"]
    assert facts["why"].endswith("the warm-up model is handed on")
    assert metadata["metrics"]["validation_accuracy"] == metadata["metrics"]["warmup_validation_accuracy"]


def test_no_steps_hand_on_the_warm_up_model_and_say_so(tiny_world, tmp_path):
    pseudolabel(tiny_world, tmp_path, steps=0)
    assert sha256_file(tmp_path / "classifier" / WEIGHTS) == sha256_file(tiny_world.warm / WEIGHTS)
    assert (about(tmp_path)["handed_on"], about(tmp_path)["why"]) == (
        True,
        "pseudolabel.steps is 0; the warm-up model is handed on",
    )


def test_without_validation_labels_it_claims_no_accuracy_but_still_watches_for_lost_classes(few, tmp_path):
    tiny.labels(tmp_path / "labels", few.data, {TRAIN: few.rows[TRAIN], "validation": np.empty(0, np.int64)})
    world = few._replace(labels=tmp_path / "labels")
    metadata = pseudolabel(world, tmp_path / "good", steps=3)
    assert "validation_accuracy" not in metadata["metrics"]
    assert about(tmp_path / "good")["why"].startswith("no validation label to compare with")
    assert about(tmp_path / "good")["validation_accuracy"] is None
    pseudolabel(world, tmp_path / "bad", learning_rate=1e30)
    assert "all but stopped predicting" in about(tmp_path / "bad")["why"]


def test_guesses_are_of_the_classes_that_the_model_knows_and_others_count_as_wrong(partial_world, tmp_path):
    metadata = pseudolabel(partial_world, tmp_path, steps=20)
    model, spec, facts = load_classifier(tmp_path / "classifier")
    assert (facts["classes"], facts["unlabelled_classes"]) == (list("01245689"), ["3", "7"])
    held = partial_world.rows["validation"]
    images = Images(partial_world.data, open_store(partial_world.store), spec.mode, spec.image_size)
    said = np.array(facts["classes"])[logits(model, spec, images, held, 64).argmax(axis=1)]
    label = partial_world.data.column("label")[held]
    assert metadata["metrics"]["validation_accuracy"] == np.sum(said == label) / len(held)
    assert np.isin(label, ["3", "7"]).sum() > 5  # of which none is right


def test_a_warm_up_model_of_other_labels_is_refused(tiny_world, partial_world, tmp_path):
    with pytest.raises(BadInputError, match="train on these labels again"):
        pseudolabel(partial_world._replace(warm=tiny_world.warm), tmp_path)
