"""The kernel two-sample test: against sums over pairs, in closed form, on fresh draws, and at tiny levels."""

import itertools

import numpy as np
import pytest

from components.monitor.statistics.mmd import BANDWIDTHS, _blocks, _centred, _squared_distances, _statistic, mmd


def kernel(x: np.ndarray, y: np.ndarray, bandwidth: float) -> float:
    return float(np.exp(-((x - y) ** 2).sum() / (2 * bandwidth**2)))


def slow(x: np.ndarray, y: np.ndarray, bandwidth: float) -> float:
    """Gretton et al. 2012, eq. 3, pair after pair."""
    n, m = len(x), len(y)
    one = sum(kernel(x[i], x[j], bandwidth) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    two = sum(kernel(y[i], y[j], bandwidth) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return one + two - 2 * sum(kernel(a, b, bandwidth) for a in x for b in y) / (n * m)


@pytest.mark.parametrize(("n", "m", "scale"), [(11, 7, 1.0), (5, 19, 1.0), (12, 12, 1000.0), (2, 2, 1e-3)])
def test_the_statistic_is_the_sum_over_pairs(n, m, scale):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 3)) * scale, (rng.normal(size=(m, 3)) + 0.4) * scale
    found = mmd(x, y, level=0.1, seed=0)
    pooled = np.concatenate([x, y])
    squares = [((a - b) ** 2).sum() for a, b in itertools.combinations(pooled, 2)]
    times = found.bandwidth / np.sqrt(np.median(squares))
    assert min(abs(times / each - 1) for each in BANDWIDTHS) < 1e-4
    assert found.squared == pytest.approx(slow(x, y, found.bandwidth), abs=2e-6)


def test_the_kernel_is_the_one_that_shows_most_for_its_spread():
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) * 0.2
    found = mmd(x, y, level=0.1, seed=0)
    pooled = np.concatenate([x, y])
    median = np.sqrt(np.median([((a - b) ** 2).sum() for a, b in itertools.combinations(pooled, 2)]))
    shown = {}
    for times in BANDWIDTHS:
        shuffled = [rng.permutation(pooled) for _ in range(60)]
        spread = np.std([slow(rows[:20], rows[20:], times * median) for rows in shuffled])
        shown[times * median] = slow(x, y, times * median) / spread
    assert found.bandwidth == pytest.approx(max(shown, key=shown.__getitem__), rel=1e-4)


def test_two_points_apart_in_closed_form():
    """Samples that are each one point, copied: 2 - 2 exp(-d² / 2s²)."""
    x, y = np.zeros((30, 2)), np.tile([3.0, 4.0], (30, 1))
    found = mmd(x, y, level=1e-3, seed=0)
    assert found.squared == pytest.approx(2 - 2 * np.exp(-25 / (2 * found.bandwidth**2)), rel=1e-5)
    assert found.p == pytest.approx(1e-3 / 4)


def test_the_discrepancy_of_two_normal_distributions_in_closed_form():
    """Of unit variance in f dimensions, a distance d apart, with a kernel of bandwidth s:
    2 (s² / (s² + 2))^(f/2) (1 - exp(-d² / (2 (s² + 2)))).
    """
    rng = np.random.default_rng(0)
    f, d = 4, 0.8
    x, y = rng.normal(size=(2000, f)), rng.normal(size=(2000, f)) + d / np.sqrt(f)
    found = mmd(x, y, level=0.01, seed=0)
    s2 = found.bandwidth**2
    expected = 2 * (s2 / (s2 + 2)) ** (f / 2) * (1 - np.exp(-(d**2) / (2 * (s2 + 2))))
    assert found.squared == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("block", [1, 3])
def test_a_permutation_is_the_statistic_of_the_rows_that_it_moves(block):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(24, 3)).astype(np.float32)
    gram = np.exp(-_squared_distances(rows) / 2)
    labels = rng.permutation(np.repeat([0, 1], [24 // block - 3, 3]))
    second = np.repeat(labels, block).astype(bool)
    found = _statistic(_blocks(_centred(gram), block), labels[:, None].astype(np.float32), block)[0]
    assert found == pytest.approx(slow(rows[~second], rows[second], 1.0), abs=1e-6)


@pytest.mark.parametrize(("n", "m"), [(40, 25), (60, 52)])  # single rows, and blocks of 2
def test_of_equal_distributions_p_is_no_smaller_than_it_says(n, m):
    rng = np.random.default_rng(2)
    draws = 600
    found = np.array(
        [mmd(rng.integers(0, 3, (n, 2)), rng.integers(0, 3, (m, 2)), level=0.02, seed=i).p for i in range(draws)]
    )
    for level in (0.02, 0.05, 0.2):
        assert (found <= level).mean() <= level + 3 * np.sqrt(level / draws), level
    assert (found <= 0.2).mean() >= 0.15


def test_blocks_cost_little_power():
    """Shifts that single rows show about half the time at this level."""
    rng = np.random.default_rng(3)
    found = {1: 0, 8: 0}
    for seed in range(40):
        x, y = rng.normal(size=(200, 8)), rng.normal(size=(200, 8)) + 0.15
        for block in found:
            found[block] += _p(x, y, block, seed) <= 0.02
    assert 10 <= found[1] <= 34
    assert abs(found[8] - found[1]) <= 8


def _p(x: np.ndarray, y: np.ndarray, block: int, seed: int) -> float:
    gram = np.exp(-_squared_distances(np.concatenate([x, y]).astype(np.float32)) / 16)
    gram = _blocks(_centred(gram), block)
    labels = np.repeat(np.array([0, 1], np.float32), [len(x) // block, len(y) // block])
    shuffled = np.random.default_rng(seed).permuted(np.tile(labels, (299, 1)), axis=1).T
    drawn = _statistic(gram, np.column_stack([labels, shuffled]), block)
    return float((drawn >= drawn[0]).mean())


def test_a_tiny_level_is_reached_by_a_clear_shift_and_costs_nothing_without_one():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(300, 8)), rng.normal(size=(200, 8))
    shifted = mmd(x, y + 0.5, level=1e-5, seed=0)
    assert shifted.p == pytest.approx(1e-5 / 4)
    assert shifted.permutations == 399_999
    assert mmd(x, y, level=1e-5, seed=0).permutations < 2000


def test_other_spreads_and_shapes_are_seen_where_means_are_equal():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(500, 2))
    assert mmd(x, rng.normal(size=(500, 2)) * 1.5, level=1e-3, seed=0).p <= 1e-3
    assert mmd(x, rng.choice([-1.0, 1.0], size=(500, 2)), level=1e-3, seed=0).p <= 1e-3


def test_no_more_rows_are_taken_than_asked_for_and_equal_calls_agree():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(3000, 4)).astype(np.float16), rng.normal(size=(5000, 4)).astype(np.float16)
    some = mmd(x, y, level=0.01, seed=7, most=200)
    assert some == mmd(x, y, level=0.01, seed=7, most=200)
    assert some != mmd(x, y, level=0.01, seed=8, most=200)


def test_equal_rows_are_no_difference():
    same = np.ones((40, 3))
    found = mmd(same, same, level=1e-4, seed=0)
    assert (found.squared, found.p) == (0.0, 1.0)


def test_a_sample_of_one_row_is_refused():
    with pytest.raises(ValueError, match="1 and 5 rows"):
        mmd(np.ones((1, 2)), np.ones((5, 2)), level=0.01, seed=0)
