"""Risk against coverage: a slow version, closed forms, ties."""

import numpy as np
import pytest

from components.evaluate.measures.risk import risk_coverage


def test_the_curve_answers_the_surest_images_first():
    rng = np.random.default_rng(0)
    confidence, right = rng.permutation(237) / 237, rng.random(237) < 0.8
    found = risk_coverage(confidence, right)
    surest = sorted(zip(confidence, right, strict=True), reverse=True)
    slow = [sum(not r for _, r in surest[:k]) / k for k in range(1, 238)]
    assert found["aurc"] == pytest.approx(np.mean(slow))
    assert len(found["coverage"]) <= 50
    assert found["coverage"][-1] == 1
    for coverage, risk in zip(found["coverage"], found["risk"], strict=True):
        assert risk == pytest.approx(slow[round(coverage * 237) - 1])


def test_the_best_order_has_every_mistake_last():
    n, mistakes = 40, 10
    right = np.array([True] * (n - mistakes) + [False] * mistakes)
    perfect = risk_coverage(-np.arange(n, dtype=float), right)
    closed = sum(i / (n - mistakes + i) for i in range(1, mistakes + 1)) / n
    assert perfect["aurc"] == pytest.approx(perfect["aurc_best"]) == pytest.approx(closed)
    worst = risk_coverage(np.arange(n, dtype=float), right)
    assert worst["aurc"] > 0.25 > worst["aurc_best"] == perfect["aurc_best"]


def test_where_all_are_equally_sure_the_risk_is_the_error_at_every_coverage():
    right = np.array([False] * 3 + [True] * 9)
    for order in (right, right[::-1]):
        found = risk_coverage(np.full(12, 0.7), order)
        assert found["risk"] == pytest.approx([0.25] * len(found["risk"]))
        assert found["aurc"] == pytest.approx(0.25)


def test_one_image_is_a_curve():
    assert risk_coverage(np.array([0.5]), np.array([True])) == {
        "coverage": [1.0],
        "risk": [0.0],
        "aurc": 0.0,
        "aurc_best": 0.0,
    }
