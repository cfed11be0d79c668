"""The classifier against scikit-learn's and an equation, and MC-dropout against loops over images and draws."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from components.common.metrics import softmax
from components.common.seeding import seeded
from components.sample.strategies import probe
from components.sample.strategies.pool import BLOCK
from tests.sample.strategies.pools import pool_of, unit


def answers(x: np.ndarray, classes: int) -> np.ndarray:
    """Labels that the embeddings can tell."""
    return (x @ unit(classes, x.shape[1], 9).T).argmax(axis=1)


def test_the_weights_are_those_of_scikit_learn():
    x = unit(60, 5, 0).astype(np.float64) * 0.2 + np.array([0, 3, 0, 0, 1])
    labels = answers(unit(60, 5, 0), 3)
    scaled = (x - x.mean(axis=0)) / np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())
    theirs = LogisticRegression(C=probe.PRIOR, fit_intercept=False, tol=1e-10, max_iter=10_000)
    theirs.fit(np.hstack([scaled, np.ones((60, 1))]), labels)
    expected = np.hstack([scaled, np.ones((60, 1))]) @ theirs.coef_.T
    weights = probe.fit(x, labels, 3)
    found = x @ weights[:-1] + weights[-1]
    assert found - found.mean(axis=1, keepdims=True) == pytest.approx(expected, abs=1e-3)


def test_two_opposite_images_have_the_weight_of_the_equation():
    """By symmetry the weights are ±a along the axis, where 4 / (1 + exp(2a)) = 2a / PRIOR."""
    weights = probe.fit(np.array([[1.0, 0], [-1, 0]]), np.array([0, 1]), 2)
    a = brentq(lambda a: 4 / (1 + math.exp(2 * a)) - 2 * a / probe.PRIOR, 0, 10)
    assert weights == pytest.approx(np.array([[a, -a], [0, 0], [0, 0]]), abs=1e-4)


def test_a_class_without_a_label_is_the_least_likely():
    x = np.eye(3, dtype=np.float32)
    weights = probe.fit(x, np.array([0, 1, 0]), 3)
    found = probe.probabilities(pool_of(x), weights)
    assert found.sum(axis=1) == pytest.approx(1)
    assert (found.argmin(axis=1) == 2).all()


def test_what_an_image_counts_is_as_if_it_were_there_so_often():
    x = unit(10, 4, 1)
    labels = answers(x, 2)
    twice = probe.fit(np.repeat(x, 2, axis=0), np.repeat(labels, 2), 2, 0.5)
    assert twice == pytest.approx(probe.fit(x, labels, 2), abs=1e-3)


def test_probabilities_of_each_image_by_hand():
    x = unit(20, 4, 2)
    weights = probe.fit(x[:8], answers(x[:8], 3), 3)
    found = probe.probabilities(pool_of(x), weights)
    for image, row in zip(x, found, strict=True):
        powers = [math.exp(float(image @ weights[:-1, c] + weights[-1, c])) for c in range(3)]
        assert row == pytest.approx([power / sum(powers) for power in powers], rel=1e-4)


def slow_information(x: np.ndarray, weights: np.ndarray, kept: np.ndarray) -> list[float]:
    """The definition, an image and a draw at a time."""
    found = []
    for image in x.astype(np.float64):
        answers = []
        for mask in kept:
            powers = np.exp((image * mask) @ weights[:-1] + weights[-1])
            answers.append(powers / powers.sum())
        mean = np.mean(answers, axis=0)
        found.append(-(mean * np.log(mean)).sum() - np.mean([-(p * np.log(p)).sum() for p in answers]))
    return found


def test_information_is_what_the_definition_says():
    x = unit(30, 6, 3)
    labelled = np.arange(0, 30, 3)
    pool = pool_of(x, labelled, seed=5)
    labels = answers(x[labelled], 3)
    weights = probe.fit_dropped(x[labelled], labels, 3, 0.5, 5)
    kept = probe.masks(7, 6, 0.5, 5, "asked")
    assert probe.information(pool, labels, 3, draws=7) == pytest.approx(slow_information(x, weights, kept), abs=1e-5)


def test_classifiers_that_agree_give_no_information():
    x = unit(12, 4, 4)
    found = probe.information(pool_of(x, np.arange(4)), np.array([0, 1, 0, 1]), 2, dropout=0.0)
    assert found == pytest.approx(0, abs=1e-6)


def test_an_image_of_one_feature_meets_two_classifiers_only():
    """One that sees the feature, in a share s of the draws, and says q; one that sees the constant alone and says r."""
    x = np.array([[1.0, 0], [-1, 0]], np.float32)
    labels = np.array([0, 1])
    found = probe.information(pool_of(x, np.arange(2), seed=3), labels, 2, draws=400)[0]
    s = (probe.masks(400, 2, 0.5, 3, "asked")[:, 0] > 0).mean()
    weights = probe.fit_dropped(x, labels, 2, 0.5, 3)
    q, r = softmax(np.stack([2 * weights[0] + weights[2], weights[2]]))
    assert found == pytest.approx(
        probe.nats(s * q + (1 - s) * r) - s * probe.nats(q) - (1 - s) * probe.nats(r), rel=1e-4
    )
    assert 0.1 < found < math.log(2)


def test_masks_leave_out_the_share_and_keep_the_mean():
    kept = probe.masks(2000, 50, 0.25, 0, "asked")
    assert set(np.unique(kept)) == {0, 1 / 0.75}
    assert kept.mean() == pytest.approx(1, abs=0.01)
    assert not np.array_equal(kept, probe.masks(2000, 50, 0.25, 1, "asked"))


@pytest.mark.parametrize("what", ["probabilities", "information"])
def test_any_number_of_threads_gives_equal_bytes(what, tmp_path):
    x = unit(2 * BLOCK + 100, 24, 6)
    np.save(tmp_path / "x.npy", x)
    file = np.load(tmp_path / "x.npy", mmap_mode="r")
    labelled = seeded(0, "labels")[0].permutation(len(x))[:40]
    found = []
    for threads in (1, 2, 2):
        pool = pool_of(file, labelled, threads=threads)
        labels = answers(x[pool.labelled], 4)
        with threadpool_limits(threads):
            weights = probe.fit(pool.take(pool.labelled), labels, 4)
            found.append(
                probe.probabilities(pool, weights)
                if what == "probabilities"
                else probe.information(pool, labels, 4, draws=3)
            )
    assert found[0].dtype == np.float32
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()
