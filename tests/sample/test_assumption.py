"""Whether clusters and labels agree: figures against closed forms, and the verdicts."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.sample import assumption as module
from components.sample.assumption import AGREE, DISAGREE, UNKNOWN, assumption, neighbours, shared_clusters
from components.sample.weak import weak_classifier


def images(labels: np.ndarray, noise: float, seed: int = 0) -> np.ndarray:
    """Unit vectors around one axis for each label, float16 (n, 8)."""
    x = np.eye(8)[labels] + noise * np.random.default_rng(seed).normal(size=(len(labels), 8))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def checked(x: np.ndarray, labels: np.ndarray, clusters: np.ndarray) -> dict:
    told = assumption(x, labels, clusters, weak_classifier(x, labels, 0))
    assert json.loads(json.dumps(told)) == told
    return told


def test_clusters_that_are_classes_agree():
    labels = np.arange(30) % 3
    told = checked(images(labels, 0.1), labels, labels + 5)
    assert told["verdict"] == AGREE
    assert told["classifier"] | {"kind": ""} == {
        "images": 30,
        "share": 1.0,
        "low": pytest.approx(0.92, abs=0.03),
        "high": 1.0,
        "chance": 0.3333,
        "kind": "",
        "folds": 5,
        "spread": 0.0,
        "accuracy": 1.0,
        "accuracy_low": 0.8865,
        "accuracy_high": 1.0,
        "majority": 0.3333,
    }
    assert told["neighbours"] == {"images": 30, "share": 1.0, "low": 0.8865, "high": 1.0, "chance": 0.3103}  # 9 / 29
    assert told["clusters"] == told["neighbours"]
    assert told["sentence"].startswith(
        "Clusters and labels agree: in cross-validation a classifier finds 100 % of a class on average (95 % interval "
    )
    assert "100 % of the images have their nearest labelled image in their own class" in told["sentence"]


def test_labels_that_are_noise_ask_for_more():
    labels = np.random.default_rng(1).permutation(60) % 3
    told = checked(images(np.arange(60) % 3, 0.1), labels, np.arange(60) % 3)
    assert told["verdict"] == DISAGREE
    assert told["sentence"].startswith("Clusters and labels disagree: in cross-validation a classifier finds ")
    assert told["sentence"].endswith("; label more before pseudo-labelling.")
    assert "guessing gives 33 %" in told["sentence"]


def test_clusters_across_the_classes_are_doubted_alone():
    """A classifier finds the classes, but each cluster holds all of them."""
    labels = np.arange(60) % 6
    told = checked(images(labels, 0.1), labels, np.arange(60) // 10)
    assert told["verdict"] == DISAGREE
    assert told["clusters"]["share"] == pytest.approx(8 / 90, abs=1e-3)  # of 10, eight have one of 9 like them
    assert "classifier finds" not in told["sentence"]


def test_few_labels_cannot_tell():
    for labels in (np.arange(4), np.array([0, 0, 0]), np.array([0, 1, 0, 1, 2])):
        told = checked(images(labels, 0.1), labels, labels)
        assert told["verdict"] == UNKNOWN
        assert told["sentence"].startswith("Whether clusters and labels agree cannot be told yet: ")


def test_a_rare_class_is_not_drowned_by_a_frequent_one():
    """Always saying the frequent class is right on 38 of 40 and finds half of the classes."""
    labels = np.array([0] * 38 + [1] * 2)
    x = images(np.zeros(40, np.int64), 0.3)
    told = checked(x, labels, np.arange(40) % 2)
    assert told["verdict"] == DISAGREE


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 25), st.integers(1, 4), st.integers(1, 5), st.integers(0, 999))
def test_figures_are_those_of_a_slow_count(n, classes, groups, seed):
    rng = np.random.default_rng(seed)
    labels, clusters = rng.integers(0, classes, n), rng.integers(0, groups, n)
    x = images(labels, 1.0, seed).astype(np.float32)
    near, shared, guess = [], [], []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        if not any(labels[j] == labels[i] for j in others):
            continue
        nearest = min(others, key=lambda j: (-float(x[i] @ x[j]), j))
        near.append(labels[nearest] == labels[i])
        guess.append(np.mean([labels[j] == labels[i] for j in others]))
        if together := [j for j in others if clusters[j] == clusters[i]]:
            shared.append(np.mean([labels[j] == labels[i] for j in together]))
    found, grouped = neighbours(x, labels), shared_clusters(labels, clusters)
    assert (found is None) == (not near)
    assert (grouped is None) == (not shared)
    if found:
        assert found["share"] == pytest.approx(np.mean(near), abs=1e-4)
        assert found["chance"] == pytest.approx(np.mean(guess), abs=1e-4)
        assert found["images"] == len(near)
    if grouped:
        assert grouped["share"] == pytest.approx(np.mean(shared), abs=1e-4)


def test_of_very_many_labels_evenly_spaced_ones_are_compared(monkeypatch):
    monkeypatch.setattr(module, "MOST", 12)
    labels = np.arange(50) % 2
    told = checked(images(labels, 0.1), labels, labels)
    assert told["neighbours"]["images"] == told["clusters"]["images"] == 12
    assert told["classifier"]["images"] == 50
