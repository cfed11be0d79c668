"""Class shares through a confusion: in closed form, with coverage on fresh draws, and what can't be told in words."""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import fisher_exact

from components.monitor.statistics.shares import estimate_shares, shares_p, simplex

MISTAKES = np.array([[0.9, 0.08, 0.02], [0.1, 0.8, 0.1], [0.05, 0.15, 0.8]])


def test_two_classes_in_closed_form():
    """Of binary answers: (share called positive - false positive rate) / (true - false positive rate)."""
    confusion = np.array([[90, 10], [20, 80]])
    found = estimate_shares(confusion, np.array([550, 450]), coverage=0.95, draws=500, seed=0)
    assert found.shares[1] == pytest.approx((0.45 - 0.1) / (0.8 - 0.1))
    assert found.shares.sum() == pytest.approx(1)
    assert (found.low <= found.shares).all()
    assert (found.shares <= found.high).all()
    assert found.why == ""
    assert found.condition == pytest.approx(np.linalg.cond(confusion / 100))


def test_predictions_that_follow_from_shares_give_them_back():
    true = np.array([0.2, 0.5, 0.3])
    found = estimate_shares(MISTAKES * 1000, true @ MISTAKES * 10_000, coverage=0.95, draws=100, seed=0)
    assert found.shares == pytest.approx(true, abs=1e-9)


@pytest.mark.parametrize("true", [[1 / 3, 1 / 3, 1 / 3], [0.1, 0.2, 0.7], [0.0, 0.3, 0.7]])
def test_the_interval_holds_the_true_shares_as_often_as_it_says(true):
    rng = np.random.default_rng(0)
    times, inside = 120, np.zeros(3)
    for time in range(times):
        held = rng.multinomial([40, 30, 30], MISTAKES)
        predicted = rng.multinomial(400, np.array(true) @ MISTAKES)
        found = estimate_shares(held, predicted, coverage=0.9, draws=200, seed=time)
        inside += (found.low - 1e-9 <= true) & (true <= found.high + 1e-9)
    assert (inside / times >= 0.9 - 3 * np.sqrt(0.9 * 0.1 / times)).all(), inside / times


def test_a_class_without_a_mistake_keeps_an_interval():
    """Ten images of each, none mistaken, and all answers the same: other shares remain possible."""
    found = estimate_shares(np.eye(2) * 10, np.array([30, 0]), coverage=0.95, draws=2000, seed=0)
    assert found.shares == pytest.approx([1, 0])
    assert found.high[1] == 0  # no answer of the second class: nothing in it, whatever the mistakes of the first
    many = estimate_shares(np.eye(2) * 10, np.array([25, 5]), coverage=0.95, draws=2000, seed=0)
    assert many.low[1] < 5 / 30 - 0.1  # the mistakes of the first class may be all of it


def test_more_classes_than_a_block_holds_are_resampled_in_several(monkeypatch):
    confusion, predicted = MISTAKES * 100, np.array([300, 300, 400])
    monkeypatch.setattr("components.monitor.statistics.shares.DRAWN", 9 * 64)
    found = estimate_shares(confusion, predicted, coverage=0.95, draws=1000, seed=0)
    monkeypatch.undo()
    whole = estimate_shares(confusion, predicted, coverage=0.95, draws=1000, seed=0)
    assert found.low == pytest.approx(whole.low, abs=0.02)


@pytest.mark.parametrize(
    ("confusion", "predicted", "why"),
    [
        ([[5, 5], [0, 0]], [4, 6], "1 of 2 classes have no labelled held-out image"),
        ([[5, 5], [8, 8]], [4, 6], "confuses some classes"),
        ([[9, 1], [2, 8]], [0, 0], "no predictions"),
    ],
)
def test_what_cannot_be_told_is_said(confusion, predicted, why):
    found = estimate_shares(np.array(confusion), np.array(predicted), coverage=0.95, draws=100, seed=0)
    assert why in found.why
    assert np.isnan(found.shares).all()
    assert np.isnan(found.low).all()


def test_resampled_confusions_that_cannot_be_inverted_do_no_harm():
    found = estimate_shares(np.array([[2, 1], [1, 2]]), np.array([10, 10]), coverage=0.95, draws=3000, seed=0)
    assert (found.low[0], found.high[0]) == pytest.approx((0, 1))


def test_the_projection_is_the_nearest_distribution():
    rng = np.random.default_rng(1)
    for x in rng.normal(size=(10, 4)):
        slow = minimize(
            lambda q, x=x: ((q - x) ** 2).sum(),
            np.full(4, 0.25),
            bounds=[(0, None)] * 4,
            constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
            tol=1e-12,
        ).x
        assert simplex(x[None])[0] == pytest.approx(slow, abs=1e-5)
    assert simplex(np.array([[0.2, 0.3, 0.5]]))[0] == pytest.approx([0.2, 0.3, 0.5])


def test_of_two_classes_p_is_that_of_all_tables():
    """Every table with the same sums, each with its chance (Fisher's exact test)."""
    exact = fisher_exact([[14, 6], [5, 15]]).pvalue
    found = [shares_p(np.array([14, 6]), np.array([5, 15]), level=1e-3, seed=seed) for seed in range(5)]
    assert np.mean(found) == pytest.approx(exact, rel=0.3)


@pytest.mark.parametrize("counts", [([50, 30, 15, 4, 1], 40), ([3, 3, 3, 3], 6)])
def test_of_equal_shares_p_is_no_smaller_than_it_says_also_of_small_counts(counts):
    rng = np.random.default_rng(2)
    before, images = counts
    shares = np.array(before) / sum(before)
    found = np.array(
        [
            shares_p(rng.multinomial(sum(before), shares), rng.multinomial(images, shares), level=0.01, seed=seed)
            for seed in range(800)
        ]
    )
    for level in (0.01, 0.05, 0.2):
        assert (found <= level).mean() <= level + 3 * np.sqrt(level / len(found)), level


def test_one_class_that_swells_and_all_that_change_are_seen_at_a_tiny_level():
    before = np.full(10, 200)
    swollen = np.r_[320, np.full(9, 187)]
    changed = np.array([250, 150] * 5)
    for after in (swollen, changed):
        assert shares_p(before, after, level=1e-4, seed=0) <= 1e-4
    assert shares_p(before, before + np.arange(-5, 5), level=1e-4, seed=0) > 0.5


def test_classes_that_nothing_is_in_change_nothing():
    few, more = np.array([10, 20]), np.array([15, 10])
    assert shares_p(np.r_[0, few, 0], np.r_[0, more, 0], level=0.01, seed=0) == shares_p(few, more, level=0.01, seed=0)
    for nothing, some in itertools.permutations([np.zeros(2, int), few]):
        assert shares_p(nothing, some, level=0.01, seed=0) == 1
    assert shares_p(np.array([9, 0]), np.array([7, 0]), level=0.01, seed=0) == 1
