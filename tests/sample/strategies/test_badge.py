"""BADGE against k-means++ on gradients written out, by hand, and the draw of candidates against its chances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.common.seeding import seeded
from components.sample.strategies import badge as module
from components.sample.strategies.badge import badge, drawn, largeness
from tests.sample.strategies.classified import NAMES, said, simplex
from tests.sample.strategies.pools import check_rules, pool_of, unit

cases = settings(max_examples=25, deadline=None)


def gradients(p: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Of the cross-entropy for the likeliest class by the head's weights, written out: (n, classes * features)."""
    wanted = np.eye(p.shape[1])[p.argmax(axis=1)]
    return np.einsum("nc,nf->ncf", p - wanted, x).reshape(len(p), -1)


def slow_seeding(g: np.ndarray, budget: int, rng: np.random.Generator) -> list[int]:
    """k-means++: the largest, then each by its squared distance from the nearest of those before."""
    picks = [int(np.round((g**2).sum(axis=1), 6).argmax())]
    while len(picks) < min(budget, len(g)):
        squared = [min(float(((row - g[pick]) ** 2).sum()) for pick in picks) for row in g]
        squared = [0 if value < module.SAME else value for value in squared]
        at = rng.random() * sum(squared)
        picks.append(next(i for i in range(len(g)) if sum(squared[: i + 1]) > at))
    return picks


@cases
@given(st.integers(12, 40), st.integers(2, 4), st.integers(1, 8), st.integers(0, 3), st.integers(0, 99))
def test_picks_are_those_of_gradients_written_out(n, classes, budget, labels, seed):
    x, p = unit(n, 3, seed).astype(np.float32), simplex(n, classes, seed)
    pool = pool_of(x, np.random.default_rng(seed).permutation(n)[:labels], seed=seed)
    picks, reasons = badge(pool, budget, p, NAMES[:classes])
    free = np.flatnonzero(pool.free)
    expected = slow_seeding(gradients(p, x)[free], budget, seeded(seed, "badge")[0])
    assert picks.tolist() == free[expected].tolist()
    assert len(reasons) == budget


def test_by_hand():
    """Two classes: a = ±(0.5, -0.5) or nothing; gradients as long as 0.71, in two directions, and none."""
    p = np.array([[1, 0], [0.5, 0.5], [0.5, 0.5], [1, 0]], np.float32)
    x = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    picks, reasons = badge(pool_of(x), 2, p, NAMES[:2])
    assert picks[0] == 1
    assert reasons[0] == "between cat and dog (0.50 against 0.50), far from the other picks (gradient distance 0.71)"
    chance = [0.5, 0, 1, 0.5]  # squared distances from the first
    counts = np.bincount(
        [badge(pool_of(x, seed=seed), 2, p, NAMES[:2]).positions[1] for seed in range(400)], minlength=4
    )
    assert counts / 400 == pytest.approx(np.array(chance) / 2, abs=0.08)


def test_what_equals_a_pick_comes_last_and_by_position():
    x, p = np.tile(unit(1, 4, 0), (6, 1)), np.tile(simplex(1, 3, 0), (6, 1))
    picks, _ = badge(pool_of(x, closed=np.array([0])), 9, p, NAMES[:3])
    assert picks.tolist() == [1, 2, 3, 4, 5]


def test_sums_over_candidates_estimate_those_over_the_pool():
    p = simplex(300, 4, 2)
    pool, weights = pool_of(unit(300, 2, 0)), largeness(p)
    value = np.arange(300) / 300
    found = []
    for seed in range(400):
        some, chance = drawn(pool, weights, 40, np.random.default_rng(seed))
        assert len(some) == len(set(some.tolist())) == 40
        found.append((value[some] / chance).sum())
    assert np.mean(found) == pytest.approx(value.sum(), abs=3 * np.std(found) / 20)


def test_few_images_are_all_candidates():
    some, chance = drawn(pool_of(unit(9, 2, 0), closed=np.array([4])), np.ones(9), 8, np.random.default_rng(0))
    assert some.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert chance.tolist() == [1] * 8


@pytest.mark.parametrize("most", [150, module.AT_MOST])
def test_the_rules_of_all_strategies(most, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "AT_MOST", most)
    check_rules(lambda pool, budget: badge(pool, budget, said(pool), NAMES[:4]), tmp_path)
