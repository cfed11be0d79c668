"""p by drawing: exact under the null hypothesis with either ending, and no more draws than are needed."""

import numpy as np
import pytest

from components.monitor.statistics.montecarlo import SURE, sequential_p


def test_under_the_null_hypothesis_p_is_no_smaller_than_it_says():
    rng = np.random.default_rng(0)
    found = np.array([sequential_p(rng.random(), rng.random, 0.01)[0] for _ in range(8000)])
    for level in (0.002, 0.01, 0.05, 0.2, 0.5):
        share = (found <= level).mean()
        assert share <= level + 3 * np.sqrt(level / len(found)), level
    assert (found <= 0.05).mean() == pytest.approx(0.05, abs=0.008)  # nor much larger


def test_an_extreme_statistic_takes_all_draws_and_has_the_smallest_p():
    drawn = []

    def draw(count: int) -> np.ndarray:
        drawn.append(count)
        return np.zeros(count)

    p, draws = sequential_p(1.0, draw, level=1e-3)
    assert (p, draws) == (1 / 4000, 3999)
    assert sum(drawn) == draws
    assert p == pytest.approx(1e-3 / SURE)


def test_a_usual_statistic_stops_at_the_tenth_larger_draw():
    p, draws = sequential_p(0.0, lambda count: np.arange(count) % 2 * 1.0 - 0.5, level=1e-5)
    assert (p, draws) == (10 / 20, 20)


def test_equal_statistics_are_as_extreme():
    assert sequential_p(1.0, np.ones, level=1e-5) == (1.0, 10)


def test_the_tenth_larger_draw_is_counted_over_blocks():
    numbers = iter(range(10**6))  # 1 in 100 is larger: the 10th is the 1000th draw
    p, draws = sequential_p(1.0, lambda count: np.array([next(numbers) % 100 == 99 for _ in range(count)]) * 2.0, 1e-5)
    assert (p, draws) == (10 / 1000, 1000)
