"""Kolmogorov-Smirnov by column against scipy and the exact distribution, Benjamini-Hochberg against its steps."""

from math import gcd

import numpy as np
import pytest
from scipy.special import kolmogorov
from scipy.stats import ks_2samp
from scipy.stats._stats_py import _attempt_exact_2kssamp

from components.monitor.statistics.ks import benjamini_hochberg, ks


@pytest.mark.parametrize(("n", "m"), [(40, 25), (300, 300), (7, 1)])
@pytest.mark.parametrize("steps", [None, 4])
def test_the_distance_is_that_of_scipy(n, m, steps):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 5)), rng.normal(size=(m, 5)) + 0.3
    if steps:
        x, y = np.round(x * steps) / steps, np.round(y * steps) / steps
    distance, _ = ks(x, y)
    assert distance == pytest.approx([ks_2samp(x[:, j], y[:, j], method="asymp").statistic for j in range(5)])


@pytest.mark.parametrize(("n", "m"), [(20, 20), (20, 100), (101, 97), (300, 100), (2000, 20), (500, 500), (2000, 500)])
def test_p_is_at_or_above_the_exact_one_in_the_tail(n, m):
    """Also far out, where the levels of a look's tests are."""
    factor = gcd(n, m)
    multiple = n * m // factor  # the distance takes steps of 1 / multiple
    for wanted in (0.05, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        z = np.sqrt(-np.log(wanted / 2) / 2)
        step = round(z * np.sqrt((n + m) / (n * m)) * multiple)
        ok, _, exact = _attempt_exact_2kssamp(n, m, factor, step / multiple, "two-sided")
        assert ok
        assert exact <= kolmogorov(np.sqrt(n * m / (n + m)) * step / multiple) * (1 + 1e-9), wanted


def test_of_equal_distributions_p_is_no_smaller_than_it_says_with_steps_or_without():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 4000)), rng.normal(size=(120, 4000))
    for one, other in ((x, y), (np.round(x), np.round(y)), (x.astype(np.float16), y.astype(np.float16))):
        _, p = ks(one, other)
        for level in (0.001, 0.01, 0.05):
            assert (p <= level).mean() <= level + 3 * np.sqrt(level / len(p)), level


def test_nothing_in_common_is_a_distance_of_one():
    distance, p = ks(np.zeros((50, 1)), np.ones((50, 1)))
    assert distance[0] == 1
    assert p[0] == pytest.approx(2 * np.exp(-2 * 25), rel=1e-6)
    assert ks(np.zeros((50, 1)), np.zeros((50, 1))) == (np.array([0.0]), np.array([1.0]))


def test_an_empty_sample_is_refused():
    with pytest.raises(ValueError, match="0 and 3 rows"):
        ks(np.ones((0, 2)), np.ones((3, 2)))


def stepped_up(p: np.ndarray, q: float) -> np.ndarray:
    """Which are discoveries: those up to the largest k with p(k) <= k q / f."""
    falling = sorted(p)
    kept = [k for k in range(1, len(p) + 1) if falling[k - 1] <= k * q / len(p)]
    return p <= falling[kept[-1] - 1] if kept else np.zeros(len(p), bool)


def test_adjusted_p_name_the_discoveries_at_every_rate():
    rng = np.random.default_rng(1)
    for _ in range(50):
        p = np.round(rng.random(12) ** 3, 3)
        adjusted = benjamini_hochberg(p)
        for q in (0.0101, 0.0507, 0.2003):
            assert ((adjusted <= q) == stepped_up(p, q)).all()


def test_adjusted_p_of_the_example_of_the_paper():
    """Benjamini and Hochberg 1995, section 3.1: four of 15 hypotheses at a rate of 0.05."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.759,
        1,
    ]
    assert (benjamini_hochberg(np.array(p)) <= 0.05).sum() == 4


def test_the_smallest_adjusted_p_is_a_test_of_all_columns():
    rng = np.random.default_rng(2)
    found = np.array([benjamini_hochberg(rng.random(20)).min() for _ in range(5000)])
    assert (found <= 0.05).mean() == pytest.approx(0.05, abs=0.01)  # Simes: exact for independent columns
