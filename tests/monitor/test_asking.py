"""How many labels a run that an alarm starts asks for, beyond those that there are."""

from datetime import UTC, datetime
from typing import Any

import pytest

from components.common.files import json_text
from components.labels.store import Answer
from components.monitor import looks
from components.monitor.decide.asking import asking, there_are
from components.monitor.training import Training, read_training
from components.releases.bundle import version_of
from tests.labels.world import NAME, World
from tests.monitor.decisions import MODEL, TRAINING, look

TRAIN_IMAGES = 3  # of twelve, a quarter


def training(access: str, budget: int = 60, file: str = "none", **sample: Any) -> Training:
    parameters = {
        **TRAINING["parameters"],
        "name": NAME,
        "sample_label_access": access,
        "sample_train_budget": budget,
        "sample_labels_file": file,
        "settings": {"sample": sample},
    }
    found = read_training({**TRAINING, "parameters": parameters})
    assert found is not None
    return found


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def answer(world: World, number: int, label: str, who: str = "ann") -> Answer:
    return Answer(world.id(number), "class", label, who, datetime(2026, 3, 1, tzinfo=UTC), "page", 1)


def test_labels_of_people_in_the_training_split_are_there(world):
    assert there_are(world.store, training("store")) == 0
    world.labels.append([answer(world, number, "cat") for number in range(12)])
    assert there_are(world.store, training("store")) == TRAIN_IMAGES
    world.labels.append([answer(world, number, "dog", "bob") for number in range(12)])  # now all are open
    assert there_are(world.store, training("store")) == TRAIN_IMAGES
    assert there_are(world.store, training("store", contradictions="latest")) == TRAIN_IMAGES


def test_labels_of_a_file(world):
    assert there_are(world.store, training("file")) == 0
    file = world.csv("answers.csv", [(number, "cat") for number in range(12)])
    assert there_are(world.store, training("file", file=file)) == TRAIN_IMAGES


def test_an_oracle_answers_again_about_what_the_last_run_had(world):
    assert there_are(world.store, training("oracle", 60)) == 60
    for digest, count in (("a" * 12, 80), ("b" * 12, 90)):
        world.store.write(f"labels/{NAME}/{digest}/labels.json", json_text({"counts": {"train": count}}).encode())
    assert there_are(world.store, training("oracle", 60)) == 90


def test_the_images_of_the_look_are_asked_about(world):
    look(world.store, 7, candidates=40)
    seen = looks.last(world.store, MODEL)
    assert seen is not None
    world.labels.append([answer(world, number, "cat") for number in range(12)])
    table = looks.place_of(world.store, seen, "candidates.parquet")
    few, many = (asking(world.store, seen, training("store"), most) for most in (10, 50))
    assert few == (10, {"sample.train_budget": TRAIN_IMAGES + 10, "sample.candidates_from": table})
    assert many == (40, {"sample.train_budget": TRAIN_IMAGES + 40, "sample.candidates_from": table})


def test_an_oracle_is_asked_about_all(world):
    look(world.store, 7, candidates=40)
    seen = looks.last(world.store, MODEL)
    assert seen is not None
    assert asking(world.store, seen, training("oracle", 60), 50) == (50, {"sample.train_budget": 110})


def test_labels_of_a_source_are_paid_for(world):
    look(world.store, 7, candidates=40)
    seen = looks.last(world.store, MODEL)
    assert seen is not None
    assert asking(world.store, seen, training("source"), 50) == (0, {})


def test_a_training_budget_is_two_at_least(world):
    look(world.store, 7, candidates=1)
    seen = looks.last(world.store, MODEL)
    assert seen is not None
    assert asking(world.store, seen, training("store"), 50).overrides["sample.train_budget"] == 2


def test_held_out_draws_are_among_what_the_release_did_not_learn_from(world):
    content = {"format": 1, "model": MODEL, "dataset_name": NAME, "digests": {"dataset": world.data.id}, "files": {}}
    version = version_of(content)
    text = json_text({**content, "version": version}).encode()
    world.store.write(f"releases/{MODEL}/{version}/release.json", text)
    look(world.store, 7, candidates=0, version=version)
    seen = looks.last(world.store, MODEL)
    assert seen is not None
    since = {"sample.new_since": world.data.id}
    assert asking(world.store, seen, training("store"), 9).overrides == {"sample.train_budget": 9, **since}
    assert asking(world.store, seen, training("source"), 9) == (0, since)
    world.store.delete(f"datasets/{NAME}/{world.data.id}/dataset.json")  # `gleaner store gc` has removed it
    assert asking(world.store, seen, training("source"), 9) == (0, {})
