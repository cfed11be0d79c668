"""What training with labels shares: targets, losses, batches and the classifier artifact."""

import json
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from components.common.artifacts import load_labels
from components.common.errors import BadInputError
from components.common.files import sha256_tree
from components.common.learning.loading import Images
from components.common.learning.models import load_classifier
from components.common.learning.supervised import (
    endless,
    save_classifier,
    smooth_targets,
    soft_cross_entropy,
    validation_predictions,
    validation_set,
)
from components.common.storage import open_store
from tests import tiny


def test_smoothing_takes_from_the_label_and_gives_to_all():
    targets = smooth_targets(np.array([2, 0]), 4, 0.2)
    torch.testing.assert_close(targets, torch.tensor([[0.05, 0.05, 0.85, 0.05], [0.85, 0.05, 0.05, 0.05]]))
    assert torch.equal(smooth_targets(np.array([1]), 2, 0), torch.tensor([[0.0, 1.0]]))


def test_weights_scale_the_targets_and_so_the_losses():
    labels, weights = np.array([2, 0, 1]), np.array([0.5, 1.0, 1.5])
    plain, weighted = smooth_targets(labels, 4, 0.2), smooth_targets(labels, 4, 0.2, weights)
    torch.testing.assert_close(weighted.sum(dim=1), torch.tensor([0.5, 1.0, 1.5]))
    scores = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        soft_cross_entropy(scores, weighted), soft_cross_entropy(scores, plain) * torch.tensor([0.5, 1.0, 1.5])
    )
    assert torch.equal(smooth_targets(labels, 4, 0.2, np.ones(3)), plain)  # to the bit


def test_soft_cross_entropy_is_the_sum_over_classes():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(5, 3, generator=generator)
    targets = torch.rand(5, 3, generator=generator).softmax(dim=1)
    slow = [
        -sum(float(t) * float(torch.log(row.exp()[c] / row.exp().sum())) for c, t in enumerate(target))
        for row, target in zip(scores, targets, strict=True)
    ]
    torch.testing.assert_close(soft_cross_entropy(scores, targets), torch.tensor(slow))
    hard = torch.tensor([0, 1, 2, 2, 1])
    torch.testing.assert_close(
        soft_cross_entropy(scores, F.one_hot(hard, 3).float()), F.cross_entropy(scores, hard, reduction="none")
    )
    torch.testing.assert_close(
        soft_cross_entropy(scores, smooth_targets(hard.numpy(), 3, 0.3)),
        F.cross_entropy(scores, hard, reduction="none", label_smoothing=0.3),
    )


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 70), st.integers(0, 99))
def test_batches_are_pass_after_pass_over_all(count, batch_size, seed):
    batches = list(islice(endless(count, batch_size, np.random.default_rng(seed)), 12))
    assert {len(batch) for batch in batches} == {batch_size}
    line = np.concatenate(batches)
    for start in range(0, len(line) - count + 1, count):
        assert sorted(line[start : start + count]) == list(range(count))


def test_batches_of_nothing_are_an_error_not_an_endless_search():
    with pytest.raises(ValueError, match="nothing to draw"):
        next(endless(0, 4, np.random.default_rng(0)))


def test_validation_labels_and_predictions(tiny_world):
    rows, truth = validation_set(tiny_world.data, tiny_world.labels)
    assert rows.tolist() == tiny_world.rows["validation"].tolist()
    assert [tiny_world.data.classes[index] for index in truth] == tiny_world.data.column("label")[rows].tolist()
    model, spec, _ = load_classifier(tiny_world.classifier)
    images = Images(tiny_world.data, open_store(tiny_world.store), spec.mode, spec.image_size, 1)
    predicted = validation_predictions(model, spec, images, rows)
    assert predicted.dtype == np.int64
    assert (predicted == truth).mean() > 0.7
    assert validation_predictions(model, spec, images, rows[:0]).shape == (0,)


def test_the_artifact_repeats_and_replaces_what_was_there(tiny_world, tmp_path):
    model, spec, _ = load_classifier(tiny_world.classifier)
    records = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "stale").write_text("x")
    for name in ("one", "two"):
        save_classifier(
            tmp_path / name,
            model,
            spec,
            records,
            tiny_world.data,
            tiny_world.labels,
            stage="warmup",
            classes=["a"] * 10,
        )
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "two")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "classifier.json",
        "classifier.safetensors",
        "history.jsonl",
        "labels.json",
        "labels.parquet",
    ]
    assert load_labels(tmp_path / "one") == load_labels(tiny_world.labels)
    assert [json.loads(line) for line in (tmp_path / "one" / "history.jsonl").read_text().splitlines()] == records
    loaded, loaded_spec, about = load_classifier(tmp_path / "one")
    assert (loaded_spec, about["stage"]) == (tiny.SPEC, "warmup")
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), model.state_dict().values(), strict=True)
    )


def test_an_artifact_without_its_description_says_who_writes_it(tmp_path):
    with pytest.raises(BadInputError, match=r"holds no classifier\.json; expected the output of warmup or pseudolabel"):
        load_classifier(tmp_path)
