"""Labels that look wrong: the confident joint by hand and slowly, planted errors, a probe that never saw the label."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge

from components.evaluate.measures import probe
from components.evaluate.measures.probe import held_out
from components.evaluate.measures.suspects import suspects


def slowly(p: np.ndarray, given: np.ndarray) -> dict[int, int]:
    """Suspects with their suggestions, image by image (Northcutt et al. 2021, equations 1 and 2)."""
    threshold = {j: np.mean([p[i, j] for i in range(len(p)) if given[i] == j]) for j in set(given)}
    found = {}
    for i in range(len(p)):
        sure = [j for j in threshold if p[i, j] >= threshold[j] - 1e-9]
        if sure and (best := max(sure, key=lambda j: (p[i, j], -j))) != given[i]:
            found[i] = best
    return found


def test_the_confident_joint_by_hand():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9], [0.3, 0.7], [0.45, 0.55]])
    given = np.array([0, 0, 0, 1, 1, 1])
    # class 0 is sure from 0.633 on, class 1 from 0.7167: image 2, and no image of class 1
    found, suggested = suspects(p, given)
    assert (found.tolist(), suggested.tolist()) == ([2], [1])


def test_it_is_what_the_paper_counts():
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.full(5, 0.4), 300)
    given = np.array([rng.choice(5, p=row) for row in p])
    found, suggested = suspects(p, given)
    assert dict(zip(found.tolist(), suggested.tolist(), strict=True)) == slowly(p, given)
    margins = p[found, suggested] - p[found, given[found]]
    assert len(found) > 10
    assert np.all(np.diff(margins) <= 0)


def test_labels_that_the_model_agrees_with_are_never_suspects():
    p = np.eye(4)[np.repeat(np.arange(3), 5)]
    assert suspects(p, np.repeat(np.arange(3), 5))[0].size == 0
    assert suspects(np.full((6, 2), 0.5), np.array([0, 0, 0, 0, 0, 0]))[0].size == 0


def test_planted_errors_are_found_by_a_probe_that_never_saw_them():
    digits = load_digits()
    x, true = digits.data[:600], digits.target[:600]
    rng = np.random.default_rng(0)
    wrong = rng.choice(600, 30, replace=False)
    given = true.copy()
    given[wrong] = (given[wrong] + rng.integers(1, 10, 30)) % 10
    found, suggested = suspects(held_out(x, given, np.arange(600), 10), given)
    first = found[:30]
    assert np.isin(first, wrong).mean() > 0.8  # one label in twenty is wrong
    assert np.isin(wrong, found).mean() > 0.8
    assert np.mean(suggested[:30] == true[first]) > 0.8


def test_leaving_a_group_out_is_fitting_without_it(monkeypatch):
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
    groups = np.r_[np.arange(32), np.repeat([90, 91, 92], [3, 3, 2])]
    monkeypatch.setattr(probe, "PENALTIES", [0.05])
    scaled = x - x.mean(axis=0)
    scaled /= np.sqrt((scaled**2).sum(axis=1).mean())
    slow = np.empty((40, 3))
    for group in np.unique(groups):
        out = groups == group
        model = Ridge(alpha=0.05 * 40).fit(scaled[~out], np.eye(3)[labels[~out]])
        slow[out] = model.predict(scaled[out])
    found = held_out(x, labels, groups, 3)
    apart = np.log(found) - np.log(found).mean(axis=1, keepdims=True)  # the scores over the temperature
    ratio = apart / (slow - slow.mean(axis=1, keepdims=True))
    assert ratio == pytest.approx(np.full((40, 3), ratio[0, 0]))
    assert 0.01 < 1 / ratio[0, 0] < 1.01


def test_a_copy_with_the_same_wrong_label_does_not_vouch_for_it():
    rng = np.random.default_rng(2)
    x = rng.normal(0, 0.2, (40, 3)) + np.repeat([[3, 0, 0], [-3, 0, 0]], 20, axis=0)
    labels = np.repeat([0, 1], 20)
    labels[:2] = 1  # twice the same image, twice the same mistake
    x[1] = x[0]
    groups = np.r_[0, np.arange(39)]
    found, _ = suspects(held_out(x, labels, groups, 2), labels)
    assert set(found[:2].tolist()) == {0, 1}


def test_more_features_than_images_and_a_class_without_one():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(12, 50))
    p = held_out(x, np.arange(12) % 2, np.arange(12), 3)
    assert p.sum(axis=1) == pytest.approx(np.ones(12))
    assert np.all(p[:, 2] <= p.max(axis=1) / 2)
