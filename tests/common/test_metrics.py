"""Each figure against a slow obvious version, and against a case whose answer is known."""

from math import exp, isnan, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.common import metrics


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (images, classes) and true classes."""
    images = draw(st.integers(1, 30))
    classes = draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 1_000_000)))
    sharpness = draw(st.sampled_from([0.1, 1.0, 30.0]))
    return metrics.softmax(rng.normal(size=(images, classes)) * sharpness), rng.integers(classes, size=images)


def slow_ece(probabilities: np.ndarray, true: np.ndarray, bins: int) -> float:
    total = 0.0
    for k in range(bins):
        rows = [(row.max(), row.argmax() == label) for row, label in zip(probabilities, true, strict=True)]
        inside = [(confidence, right) for confidence, right in rows if k / bins < confidence <= (k + 1) / bins]
        if inside:
            total += abs(sum(c for c, _ in inside) - sum(r for _, r in inside))
    return total / len(true)


@given(predictions(), st.integers(1, 20))
def test_ece_is_the_gap_summed_over_the_bins(case, bins):
    probabilities, true = case
    assert metrics.ece(probabilities, true, bins) == pytest.approx(slow_ece(probabilities, true, bins), abs=1e-12)


@given(predictions())
def test_nll_and_brier_are_the_sums_of_their_definitions(case):
    probabilities, true = case
    one_hot = [[float(c == label) for c in range(probabilities.shape[1])] for label in true]
    surprise = -sum(log(row[c]) for row, c in zip(probabilities, true, strict=True))
    assert metrics.nll(probabilities, true) == pytest.approx(surprise / len(true))
    squares = sum(
        (p - t) ** 2
        for row, target in zip(probabilities, one_hot, strict=True)
        for p, t in zip(row, target, strict=True)
    )
    assert metrics.brier(probabilities, true) == pytest.approx(squares / len(true), abs=1e-12)


@given(predictions())
def test_the_confusion_matrix_counts_each_pair_and_its_figures_follow(case):
    probabilities, true = case
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    matrix = metrics.confusion_matrix(true, predicted, classes)
    figures = metrics.per_class(matrix)
    for c in range(classes):
        assert list(matrix[c]) == [sum((true == c) & (predicted == p)) for p in range(classes)]
        found = sum((true == c) & (predicted == c))
        called = sum(predicted == c)
        support = sum(true == c)
        assert figures.support[c] == support
        assert figures.precision[c] == pytest.approx(found / called) if called else isnan(figures.precision[c])
        assert figures.recall[c] == pytest.approx(found / support) if support else isnan(figures.recall[c])
        if found:
            p = found / called
            r = found / support
            assert figures.f1[c] == pytest.approx(2 * p * r / (p + r))
    assert np.trace(matrix) / len(true) == metrics.accuracy(true, predicted)


def test_always_certain_and_half_right_is_half_miscalibrated():
    probabilities = np.array([[1.0, 0.0]] * 10)
    true = np.array([0, 1] * 5)
    assert metrics.ece(probabilities, true, 15) == 0.5
    assert metrics.brier(probabilities, true) == 1.0
    assert np.isfinite(metrics.nll(probabilities, true))


def test_confidence_that_equals_accuracy_costs_nothing():
    probabilities = np.array([[0.75, 0.25]] * 4)
    assert metrics.ece(probabilities, np.array([0, 0, 0, 1]), 10) == 0
    assert metrics.nll(np.full((6, 3), 1 / 3), np.array([0, 1, 2, 0, 1, 2])) == pytest.approx(log(3))
    assert metrics.brier(np.full((6, 3), 1 / 3), np.array([0, 1, 2, 0, 1, 2])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("bins", [7, 10, 15])
def test_a_confidence_on_an_edge_belongs_to_the_bin_below(bins):
    edges = np.arange(1, bins + 1) / bins
    assert list(metrics.reliability(edges, np.ones(bins), bins).images) == [1] * bins
    assert metrics.reliability(np.array([0.0]), np.array([0]), bins).images[0] == 1


def test_wilson_interval_solves_its_equation_and_stays_inside_0_and_1():
    z = metrics.NORMAL_95
    for correct, n in [(480, 498), (1, 3), (50, 100)]:
        for bound in metrics.wilson_interval(correct, n):  # |share - p| = z * sqrt(p (1 - p) / n)
            assert abs(correct / n - bound) == pytest.approx(z * np.sqrt(bound * (1 - bound) / n))
    low, high = metrics.wilson_interval(10, 10)
    assert low == pytest.approx(10 / (10 + z * z))
    assert high == pytest.approx(1)
    assert metrics.wilson_interval(0, 0) == (0.0, 1.0)


@given(st.floats(0.05, 20))
def test_softmax_of_two_logits_is_the_logistic_function(temperature):
    probabilities = metrics.softmax(np.array([[3.0, 0.0], [0.0, 0.0], [1e5, 1e5]]), temperature)
    assert probabilities[0, 0] == pytest.approx(1 / (1 + exp(-3 / temperature)))
    assert list(probabilities[1:].ravel()) == [0.5] * 4
