"""The random draw is uniform, follows from the seed, and grows with its budget."""

import numpy as np

from components.common.seeding import seeded
from components.sample.strategies.random_draw import random_picks
from tests.sample.strategies.pools import check_rules, pool_of, unit


def test_rules(tmp_path):
    check_rules(random_picks, tmp_path)


def test_a_larger_budget_only_adds():
    pool = pool_of(unit(50, 2, 0), [4], [7, 8], seed=5)
    order = random_picks(pool, 100).positions.tolist()
    assert sorted(order) == [row for row in range(50) if row not in (4, 7, 8)]
    assert [random_picks(pool, budget).positions.tolist() for budget in (3, 10)] == [order[:3], order[:10]]
    assert order == seeded(5, "random picks")[0].permutation(sorted(order)).tolist()


def test_every_image_is_drawn_as_often():
    counts = np.bincount(
        np.concatenate([random_picks(pool_of(unit(20, 2, 0), seed=seed), 5).positions for seed in range(2000)])
    )
    assert abs(counts - 500).max() < 5 * np.sqrt(500 * 0.75)
