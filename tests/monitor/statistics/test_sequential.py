"""Levels that add up over a year, and intervals that hold at all times: on fresh draws, looked at after every label."""

from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import beta

from components.monitor.statistics.sequential import BETS, YEAR, confidence_sequence, share_of_year, split_level

WEEK = timedelta(days=7).total_seconds()


def test_looks_of_a_year_spend_what_a_year_may():
    rng = np.random.default_rng(0)
    for _ in range(20):
        windows = np.diff(np.sort(rng.uniform(0, YEAR, 60)))  # as irregular as they like
        assert sum(share_of_year(each, 0.05) for each in windows) <= 0.05
    assert 52 * share_of_year(WEEK, 0.05) == pytest.approx(0.05 * 364 / 365.25)


def test_a_look_over_years_spends_no_more_and_one_over_nothing_nothing():
    assert share_of_year(3 * YEAR, 0.05) == 0.05
    assert share_of_year(0, 0.05) == share_of_year(-5, 0.05) == 0


def test_a_level_is_split_by_weight():
    parts = split_level(0.001, {"a": 1, "b": 3, "c": 0})
    assert parts == pytest.approx({"a": 0.00025, "b": 0.00075, "c": 0})
    assert sum(parts.values()) == pytest.approx(0.001)


def chances(kind: str, n: int) -> np.ndarray:
    """Chance that an answer is right, of each in turn."""
    if kind == "falls":
        return np.linspace(0.98, 0.6, n)
    if kind == "jumps":
        return np.where(np.arange(n) % 50 < 25, 0.99, 0.7)
    return np.full(n, float(kind))


@pytest.mark.parametrize("kind", ["0.5", "0.95", "1.0", "falls", "jumps"])
def test_it_holds_at_all_times_at_once(kind):
    rng = np.random.default_rng(1)
    n, times, coverage = 200, 150, 0.9
    chance = chances(kind, n)
    mean = np.cumsum(chance) / np.arange(1, n + 1)
    ever_out = 0
    for _ in range(times):
        low, high = confidence_sequence(rng.random(n) < chance, coverage)
        ever_out += bool(((mean < low - 1e-12) | (mean > high + 1e-12)).any())
    assert ever_out / times <= 1 - coverage


def test_an_interval_for_one_time_does_not():
    """What looking often does to the interval of Clopper and Pearson: the reason for a sequence."""
    rng = np.random.default_rng(2)
    n, times = 400, 200
    t = np.arange(1, n + 1)
    wins = (rng.random((times, n)) < 0.9).cumsum(axis=1)
    low = beta.ppf(0.05, wins, t - wins + 1)
    assert (low > 0.9).any(axis=1).mean() > 0.15


def test_a_bet_never_grows_on_average():
    """exp(l x) / (1 + p (exp(l) - 1)) has the mean 1 at the chance p, and is below it where the chance is smaller."""
    for p in (0.1, 0.5, 0.99):
        growth = (p * np.exp(BETS) + 1 - p) / (1 + p * np.expm1(BETS))
        assert growth == pytest.approx(np.ones(len(BETS)))


def test_the_bounds_are_where_the_bets_reach_their_worth():
    rng = np.random.default_rng(3)
    right = rng.random(60) < 0.8
    low, high = confidence_sequence(right, 0.95)
    for t in (5, 60):
        wins = int(right[:t].sum())
        for bound, won in ((low[t - 1], wins), (1 - high[t - 1], t - wins)):
            worth = np.mean(np.exp(BETS * won) * (1 + bound * np.expm1(BETS)) ** -float(t))
            if bound > 0:
                assert worth == pytest.approx(2 / 0.05, rel=1e-4)
    assert ((low <= np.cumsum(right) / np.arange(1, 61)) & (np.cumsum(right) / np.arange(1, 61) <= high)).all()


def test_its_price_is_less_than_twice_the_width_of_an_interval_for_one_time():
    right = np.arange(2000) % 10 != 0
    low, high = confidence_sequence(right, 0.95)
    for t in (100, 500, 2000):
        wins = int(right[:t].sum())
        once = beta.ppf(0.975, wins + 1, t - wins) - beta.ppf(0.025, wins, t - wins + 1)
        assert high[t - 1] - low[t - 1] < 1.9 * once, t


def test_what_is_right_and_what_is_wrong_mirror_each_other():
    right = np.random.default_rng(4).random(50) < 0.7
    low, high = confidence_sequence(right, 0.95)
    mirrored_low, mirrored_high = confidence_sequence(~right, 0.95)
    assert low == pytest.approx(1 - mirrored_high)
    assert high == pytest.approx(1 - mirrored_low)


def test_nothing_labelled_has_no_bounds_and_one_label_says_little():
    assert [len(each) for each in confidence_sequence(np.array([], bool), 0.95)] == [0, 0]
    low, high = confidence_sequence(np.array([True]), 0.95)
    assert low[0] < 0.1
    assert high[0] == 1
