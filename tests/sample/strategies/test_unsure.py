"""Margin, entropy and BALD against loops, by hand, and what holds for all of them: ties, labels, threads."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.sample.strategies.bald import bald
from components.sample.strategies.entropy import entropy
from components.sample.strategies.margin import margin
from components.sample.strategies.pool import BLOCK, Chosen, Pool
from tests.sample.strategies.classified import NAMES, said, simplex
from tests.sample.strategies.pools import check_rules, pool_of, unit

cases = settings(max_examples=25, deadline=None)


def slow_margin(p: np.ndarray) -> float:
    best = sorted(p.tolist(), reverse=True)
    return -(best[0] - best[1])


def slow_entropy(p: np.ndarray) -> float:
    return -sum(value * math.log(value) for value in p.tolist() if value > 0)


def slow_picks(scores: list[float], free: np.ndarray, budget: int) -> list[int]:
    return sorted(np.flatnonzero(free).tolist(), key=lambda i: (-round(scores[i], 5), i))[:budget]


@cases
@given(st.integers(1, 40), st.integers(2, 6), st.integers(0, 50), st.integers(0, 5), st.integers(0, 99))
def test_picks_are_those_of_the_definition(n, classes, budget, labels, seed):
    p = simplex(n, classes, seed)
    order = np.random.default_rng(seed).permutation(n)
    pool = pool_of(unit(n, 3, seed), order[:labels], order[labels : labels + 3])
    for strategy, slow in ((margin, slow_margin), (entropy, slow_entropy)):
        picks, reasons = strategy(pool, budget, p, NAMES[:classes])
        expected = slow_picks([slow(row) for row in p], pool.free, budget)
        assert [round(slow(p[i]), 5) for i in picks] == [round(slow(p[i]), 5) for i in expected]
        assert len(reasons) == len(picks) == len(set(picks.tolist()))
        assert pool.free[picks].all()
    information = p[:, 0]
    assert bald(pool, budget, information).positions.tolist() == slow_picks(information.tolist(), pool.free, budget)


P = np.array([[1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [0.4, 0.35, 0.25], [0.5, 0.5, 0]], np.float32)


def test_by_hand():
    pool = pool_of(unit(5, 2, 0))
    assert margin(pool, 5, P, NAMES[:3]) == (
        pytest.approx([1, 2, 4, 3, 0]),
        [
            "between cat and dog (0.50 against 0.50)",
            "between cat and dog (0.33 against 0.33)",
            "between cat and dog (0.50 against 0.50)",
            "between cat and dog (0.40 against 0.35)",
            "between cat and dog (1.00 against 0.00)",
        ],
    )
    assert entropy(pool, 2, P, NAMES[:3]) == (
        pytest.approx([2, 3]),
        ["could be cat, dog, owl (entropy 1.10 of 1.10)", "could be cat, dog, owl (entropy 1.08 of 1.10)"],
    )
    assert bald(pool, 1, np.array([0, 0.2, math.log(2), 0.1, 0])) == (
        pytest.approx([2]),
        ["the classifier contradicts itself (mutual information 0.69)"],
    )


def strategies(p: np.ndarray) -> list[partial[Chosen]]:
    names = [str(c) for c in range(p.shape[1])]
    return [
        partial(margin, probabilities=p, classes=names),
        partial(entropy, probabilities=p, classes=names),
        partial(bald, information=p.max(axis=1)),
    ]


def test_ties_go_to_the_smaller_position_though_rounding_differs():
    p = np.tile(np.array([[0.5, 0.3, 0.2]], np.float32), (50, 1))
    p += np.random.default_rng(0).normal(0, 1e-8, p.shape).astype(np.float32)
    for strategy in strategies(p):
        assert strategy(pool_of(unit(50, 2, 0), labelled=np.array([1])), 3).positions.tolist() == [0, 2, 3]


def test_rows_count_within_the_pool_and_blocks_do_not_show():
    n = BLOCK + 50
    p = simplex(n, 4, 1)
    full = pool_of(unit(n, 2, 0))
    some = np.arange(7, n, 3)
    part = Pool(full.vectors, some, np.empty(0, np.int64), np.ones(len(some), bool))
    for whole, sub in zip(strategies(p), strategies(p[some]), strict=True):
        expected = [i for i in whole(full, n).positions.tolist() if (i - 7) % 3 == 0 and i >= 7]
        assert some[sub(part, n).positions].tolist() == expected


@pytest.mark.parametrize("which", range(3))
def test_the_rules_of_all_strategies(which, tmp_path):
    check_rules(lambda pool, budget: strategies(said(pool))[which](pool, budget), tmp_path)
