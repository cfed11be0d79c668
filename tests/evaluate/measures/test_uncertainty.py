"""Entropy, mutual information and dropout masks against slow loops and closed forms."""

import math

import numpy as np
import pytest

from components.common.metrics import entropy
from components.evaluate.measures.uncertainty import opinion, thinned


def some(members: int = 5, images: int = 7, classes: int = 4) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.full(classes, 0.5), size=(members, images))


def test_the_oracle():
    p = some()
    found = opinion(iter(p))
    for image in range(p.shape[1]):
        mean = [sum(p[m, image, c] for m in range(5)) / 5 for c in range(4)]
        whole = -sum(x * math.log(x) for x in mean)
        inner = [-sum(x * math.log(x) for x in p[m, image]) for m in range(5)]
        assert found.probabilities[image] == pytest.approx(mean)
        assert found.entropy[image] == pytest.approx(whole)
        assert found.information[image] == pytest.approx(whole - sum(inner) / 5)


def test_members_that_say_the_same_leave_nothing_to_learn():
    p = some(members=1)
    found = opinion([p[0]] * 3)
    assert found.information == pytest.approx(0, abs=1e-12)
    assert found.entropy == pytest.approx(entropy(p[0]))


def test_members_that_are_certain_of_different_classes_differ_by_the_log_of_their_number():
    for members in (2, 3, 4):
        found = opinion(np.eye(4)[[number]] for number in range(members))
        assert found.information == pytest.approx(math.log(members))
        assert found.entropy == pytest.approx(math.log(members))


def test_it_lies_between_nothing_and_all_the_entropy():
    found = opinion(some(members=6, images=500))
    assert (found.information >= 0).all()
    assert (found.information <= found.entropy + 1e-12).all()
    assert (found.information <= math.log(6)).all()


def test_entropy_of_certainty_and_of_ignorance():
    assert entropy(np.eye(3)).tolist() == [0.0, 0.0, 0.0]
    assert entropy(np.full((1, 8), 1 / 8)) == pytest.approx(math.log(8))


def test_nobody_has_no_opinion():
    with pytest.raises(ValueError, match="nobody"):
        opinion([])


def test_masks_drop_their_share_and_keep_the_mean():
    masks = thinned(20_000, 0.25, 5, np.random.default_rng(0))
    assert (masks.shape, masks.dtype) == ((5, 20_000), np.float32)
    assert (masks == 0).mean(axis=1) == pytest.approx(0.25, abs=0.02)
    assert set(np.unique(masks)) == {np.float32(0), np.float32(4 / 3)}
    assert masks.mean(axis=1) == pytest.approx(1, abs=0.02)
    assert (thinned(9, 0.0, 2, np.random.default_rng(0)) == 1).all()
