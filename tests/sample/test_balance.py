"""Picks balanced over predicted classes: quotas, what is handed on, order, and that rare classes are found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.sample.balance import balanced, perhaps, unlike, within
from components.sample.shares import even_out
from components.sample.strategies.pool import Chosen, Pool

NAMES = ("ant", "bee", "cat")


def pool_of(n: int, labelled: list[int] | tuple[int, ...] = (), taken: list[int] | tuple[int, ...] = ()) -> Pool:
    """Rows 3, 5, 7, … of a table: rows and positions differ, so that a mix-up shows."""
    free = np.ones(n, bool)
    free[[*labelled, *taken]] = False
    vectors = np.random.default_rng(0).normal(size=(2 * n + 3, 4)).astype(np.float16)
    return Pool(vectors, 2 * np.arange(n) + 3, np.array(labelled, np.int64), free)


def first(pool: Pool, budget: int) -> Chosen:
    """A strategy that takes what is free in order."""
    positions = np.flatnonzero(pool.free)[:budget]
    return Chosen(positions, [f"row {pool.rows[position]}" for position in positions])


def test_the_class_with_the_fewest_labels_comes_first():
    pool = pool_of(9, labelled=[0, 1, 2])
    predicted = np.array([0, 0, 1, 0, 0, 0, 1, 1, 2])
    chosen = balanced(first, pool, 5, predicted, np.array([0, 0, 1]), NAMES, every_class=True)
    assert chosen.positions.tolist() == [8, 6, 7, 3, 4]  # cat 0, bee 1, ant 2 labels; then all have 2 but cat
    assert chosen.reasons == [
        "row 19; perhaps a cat",
        "row 15; perhaps a bee",
        "row 17; perhaps a bee",
        "row 9; perhaps an ant",
        "row 11; perhaps an ant",
    ]


def test_what_a_class_cannot_fill_goes_to_the_others():
    """A strategy that gives at most one image of a class; its picks count as labelled when it is asked again."""
    seen: list[tuple[list[int], list[int], int]] = []

    def shy(pool: Pool, budget: int) -> Chosen:
        seen.append((pool.rows.tolist(), pool.rows[pool.labelled].tolist(), budget))
        return first(pool, budget) if 3 not in pool.rows else first(pool, min(budget, 1))

    pool = pool_of(8)
    predicted = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    chosen = balanced(shy, pool, 6, predicted, np.empty(0, np.int64), NAMES)
    assert chosen.positions.tolist() == [0, 4, 5, 6, 7]
    assert seen == [([3, 5, 7, 9], [], 3), ([11, 13, 15, 17], [], 3), ([11, 13, 15, 17], [11, 13, 15], 1)]


def test_a_strategy_sees_one_class_with_the_labels_in_it():
    pool = pool_of(6, labelled=[0, 1, 2])
    predicted = np.array([0, 1, 1, 0, 1, 2])
    pools: dict[int, Pool] = {}

    def look(part: Pool, budget: int) -> Chosen:
        pools[int(part.rows[part.free][0])] = part
        assert within(pool, part, np.arange(6) * 10).tolist() == ((part.rows - 3) * 5).tolist()
        return first(part, budget)

    balanced(look, pool, 3, predicted, np.array([0, 0, 1]), NAMES, every_class=True)
    bees, cats, ants = pools[11], pools[13], pools[9]
    assert ants.rows.tolist() == [3, 5, 9]  # the second is labelled ant, though it looks like a bee
    assert ants.labelled.tolist() == [0, 1]
    assert bees.rows.tolist() == [5, 7, 11]
    assert bees.labelled.tolist() == [0, 1]
    assert cats.rows.tolist() == [13]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 30), st.integers(0, 35), st.integers(0, 6), st.integers(0, 999))
def test_picks_are_free_distinct_and_as_even_as_the_predictions_allow(n, budget, known, seed):
    rng = np.random.default_rng(seed)
    predicted = rng.integers(0, 3, n)
    order = rng.permutation(n)
    pool = pool_of(n, labelled=np.sort(order[:known]).tolist(), taken=order[known : known + 2].tolist())
    labels = rng.integers(0, 3, len(pool.labelled))
    chosen = balanced(first, pool, budget, predicted, labels, NAMES, every_class=True)
    assert len(set(chosen.positions.tolist())) == len(chosen.positions) == len(chosen.reasons)
    assert pool.free[chosen.positions].all()
    room = np.bincount(predicted[pool.free], minlength=3).tolist()
    turns = even_out(budget, np.bincount(labels, minlength=3).tolist(), room)
    assert predicted[chosen.positions].tolist() == turns


def test_rare_classes_get_as_many_picks_as_common_ones():
    predicted = np.repeat([0, 1, 2], [1000, 1000, 10])
    chosen = balanced(first, pool_of(2010), 30, predicted, np.empty(0, np.int64), NAMES)
    assert np.bincount(predicted[chosen.positions]).tolist() == [10, 10, 10]
    assert predicted[chosen.positions[:6]].tolist() == [2, 0, 1, 2, 0, 1]  # whoever stops early has an even start


def test_the_images_least_like_the_labelled_are_one_more_class():
    """100 images on a circle at 0 to 99 degrees, those at 0 and 60 labelled: the farthest two are at 98 and 99."""
    angle = np.deg2rad(np.arange(100))
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    free = np.ones(100, bool)
    free[[0, 60]] = False
    for threads in (1, 2):
        pool = Pool(x, np.arange(100), np.array([0, 60]), free, threads=threads)
        assert np.flatnonzero(unlike(pool)).tolist() == [98, 99]
    predicted = (np.arange(100) > 30).astype(np.int64)
    chosen = balanced(first, pool, 9, predicted, np.array([0, 1]), NAMES[:2])
    assert chosen.positions.tolist() == [
        98,
        1,
        31,
        99,
        2,
        32,
        3,
        33,
        4,
    ]  # one label each: as many of the new as there are
    assert chosen.reasons[0] == "row 98; perhaps a class not seen yet"
    with_all = balanced(first, pool, 4, predicted, np.array([0, 1]), NAMES[:2], every_class=True)
    assert with_all.positions.tolist() == [1, 31, 2, 32]


def test_a_class_that_no_label_names_is_among_the_unlike():
    """Three known blobs and five images of a fourth, 1 in 181: they are 5 of the 19 least like the labelled ones."""
    truth = np.repeat([0, 1, 2, 3], [300, 300, 300, 5])
    x = np.eye(8)[truth] + 0.1 * np.random.default_rng(0).normal(size=(905, 8))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    labelled = np.array([0, 300, 600])
    pool = Pool(x.astype(np.float16), np.arange(905), labelled, np.ones(905, bool))
    assert np.bincount(truth[unlike(pool)]).tolist()[3] == 5
    assert unlike(pool).sum() == 19


@pytest.mark.parametrize(("name", "told"), [("7", "perhaps a 7"), ("cat", "perhaps a cat"), ("Ant", "perhaps an Ant")])
def test_the_guess_reads_well(name, told):
    assert perhaps(name) == told
