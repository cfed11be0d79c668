"""Averaged weights of earlier steps: which are kept, beside the model, and of a handed-on model none."""

import numpy as np
import pytest
import torch

from components.common.artifacts import TRAIN
from components.common.files import read_json, sha256_file, sha256_tree
from components.common.learning.models import checkpoint_file, load_checkpoints, load_classifier
from components.pseudolabel.checkpoints import Checkpoints, steps_kept
from tests import tiny
from tests.stages import pseudolabel, warmup


@pytest.mark.parametrize(
    ("steps", "kept", "found"),
    [
        (400, 4, [200, 250, 300, 350]),
        (400, 1, [200]),
        (10, 3, [5, 7, 8]),
        (3, 8, [1, 2]),
        (1, 2, []),
        (0, 2, []),
        (400, 0, []),
    ],
)
def test_they_are_spread_over_the_second_half_before_the_end(steps, kept, found):
    assert steps_kept(steps, kept) == found


def test_a_copy_does_not_follow_the_network():
    network = torch.nn.Linear(2, 2)
    kept = Checkpoints(4, 2)
    for step in range(1, 5):
        torch.nn.init.constant_(network.weight, step)
        kept.see(step, network)
    assert {step: float(weights["weight"][0, 0]) for step, weights in kept.weights.items()} == {2: 2.0, 3: 3.0}


def test_they_lie_beside_the_model_and_change_nothing_of_it(tiny_world, tmp_path):
    tiny.labels(tmp_path / "labels", tiny_world.data, {**tiny_world.rows, TRAIN: tiny_world.rows[TRAIN][:60]})
    few = tiny_world._replace(labels=tmp_path / "labels")
    warmup(few, tmp_path, steps=60)
    few = few._replace(warm=tmp_path / "warm")
    for name, count in (("with", 2), ("without", 0), ("again", 2)):
        pseudolabel(few, tmp_path / name, steps=60, checkpoints=count)
    about = read_json(tmp_path / "with" / "classifier" / "classifier.json")
    assert not about["handed_on"], about["why"]
    assert about["checkpoints"] == [30, 45]
    assert "checkpoints" not in read_json(tmp_path / "without" / "classifier" / "classifier.json")
    weights = [sha256_file(tmp_path / name / "classifier" / "classifier.safetensors") for name in ("with", "without")]
    assert weights[0] == weights[1]
    assert sha256_tree(tmp_path / "with" / "classifier") == sha256_tree(tmp_path / "again" / "classifier")
    folder = tmp_path / "with" / "classifier"
    heads = [each.head.weight.detach().numpy() for each in (load_classifier(folder)[0], *load_checkpoints(folder))]
    assert len({head.tobytes() for head in heads}) == 3
    assert np.abs(heads[0] - heads[2]).mean() < np.abs(heads[0] - heads[1]).mean()


def test_of_a_model_that_was_refused_none_is_kept(tiny_world, tmp_path):
    pseudolabel(tiny_world, tmp_path, steps=8, checkpoints=2, learning_rate=1e3)
    folder = tmp_path / "classifier"
    assert read_json(folder / "classifier.json")["handed_on"]
    assert load_checkpoints(folder) == []
    assert not (folder / checkpoint_file(4)).exists()
