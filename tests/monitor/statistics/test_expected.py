"""Accuracy without labels: closed forms, slow versions, and coverage where confidence means what it meant."""

import numpy as np
import pytest

from components.monitor.statistics import expected
from components.monitor.statistics.expected import Estimate, _thresholds, atc, doc


def stream(n: int, rng: np.random.Generator, sure: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Confidences and whether the answers were right, as often as the confidence says."""
    confidence = rng.beta(sure, 1, n)
    return confidence, rng.random(n) < confidence


def test_the_same_images_are_expected_to_be_as_right():
    confidence, correct = stream(500, np.random.default_rng(0))
    for way in (atc, doc):
        found = way(confidence, correct, confidence, coverage=0.95, seed=0)
        assert found.value == pytest.approx(correct.mean())
        assert found.low < found.value < found.high


def test_the_threshold_leaves_as_many_below_as_were_wrong():
    held, right = np.arange(10) / 10, np.array([0, 1, 0, 1, 0, 1, 1, 1, 1, 1], bool)  # 7 of 10 right
    found = atc(held, right, np.array([0.15, 0.35, 0.95]), coverage=0.95, seed=0)
    assert found.value == pytest.approx(2 / 3)  # surer than 0.2, as 7 are


def test_equal_confidences_count_in_part():
    held, right = np.array([0.5, 1.0, 1.0, 1.0]), np.array([False, False, True, True])
    assert atc(held, right, np.ones(7), coverage=0.95, seed=0).value == pytest.approx(2 / 3)
    assert atc(held, right, np.array([0.5, 1.0]), coverage=0.95, seed=0).value == pytest.approx(1 / 3)


def test_the_thresholds_are_those_of_a_search():
    rng = np.random.default_rng(1)
    for _ in range(50):
        held = rng.integers(0, 6, 12) / 6
        wanted = rng.integers(0, 13)
        threshold, part = _thresholds(held[None], np.array([wanted / 12]))
        counted = (held > threshold[0]).sum() + part[0] * (held == threshold[0]).sum()
        assert counted == pytest.approx(wanted)
        assert 0 <= part[0] <= 1


def test_the_difference_of_confidences_in_closed_form():
    held, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, True, False])
    found = doc(held, right, np.array([0.55, 0.75]), coverage=0.95, seed=0)
    assert found.value == pytest.approx(0.75 - (0.75 - 0.65))
    assert doc(held, ~right, np.array([0.1, 0.1]), coverage=0.95, seed=0).value == 0  # no share is below 0


def slow_atc(held, right, answers, draws: int) -> Estimate:
    """The same interval by drawing images of both samples, and half an image more of each kind."""
    rng = np.random.default_rng(3)
    n, drawn = len(held), []
    chance = np.r_[np.ones(n), 0.5, 0.5] / (n + 1)
    confidence, correct = np.r_[held, held.min(), held.max()], np.r_[right, False, True]
    for _ in range(draws):
        rows = rng.choice(n + 2, n, p=chance)
        threshold = np.sort(confidence[rows])[min(n - 1, int((~correct[rows]).sum()))]
        drawn.append((rng.choice(answers, len(answers)) >= threshold).mean())
    return Estimate(0, *np.quantile(drawn, [0.05, 0.95]))


def test_the_bootstrap_draws_images():
    rng = np.random.default_rng(4)
    held, right = stream(150, rng)
    answers, _ = stream(200, rng, sure=3)
    fast, slow = atc(held, right, answers, coverage=0.9, seed=0), slow_atc(held, right, answers, 4000)
    assert fast[1:] == pytest.approx(slow[1:], abs=0.015)


@pytest.mark.parametrize("way", [atc, doc])
@pytest.mark.parametrize(("n", "m", "sure"), [(150, 300, 6.0), (300, 100, 30.0)])
def test_the_interval_holds_the_true_accuracy_as_often_as_it_says(way, n, m, sure, monkeypatch):
    """Accuracy of the distribution that both samples are drawn from: the mean of a Beta(sure, 1) confidence."""
    rng = np.random.default_rng(5)
    monkeypatch.setattr(expected, "DRAWS", 300)
    times, inside = 120, 0
    for time in range(times):
        confidence, _ = stream(m, rng, sure)
        found = way(*stream(n, rng, sure), confidence, coverage=0.9, seed=time)
        inside += found.low <= sure / (sure + 1) <= found.high
    assert inside / times >= 0.9 - 3 * np.sqrt(0.9 * 0.1 / times)
    assert inside / times < 0.99  # nor idle


def test_where_a_confidence_is_the_chance_to_be_right_doc_is_right_and_atc_exaggerates():
    rng = np.random.default_rng(6)
    held, right = stream(2000, rng, sure=20)
    confidence, truly = stream(2000, rng, sure=5)
    by_doc, by_atc = (way(held, right, confidence, coverage=0.99, seed=0) for way in (doc, atc))
    assert by_doc.low <= truly.mean() <= by_doc.high < right.mean()
    assert by_atc.high < truly.mean()


@pytest.mark.parametrize("way", [atc, doc])
@pytest.mark.parametrize("right", [True, False])
def test_no_mistake_in_a_few_images_is_not_certainty(way, right):
    confidence = np.linspace(0.8, 0.99, 30)
    found = way(confidence, np.full(30, right), confidence, coverage=0.95, seed=0)
    assert found.value == right
    assert 0.02 < found.high - found.low < 0.3


def test_equal_calls_agree():
    rng = np.random.default_rng(7)
    held, right = stream(100, rng)
    assert atc(held, right, held, coverage=0.95, seed=3) == atc(held, right, held, coverage=0.95, seed=3)
