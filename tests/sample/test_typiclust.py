"""Picks against a slow reading of the paper, and what must hold for any embeddings: ties, twins, budgets, threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from components.sample.typiclust import assign, typicality, typiclust

cases = settings(max_examples=25, deadline=None)
NONE = np.empty(0, np.int64)


def unit(n: int, features: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, features))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def slow_typicality(x: np.ndarray, row: int, k: int) -> float:
    if len(x) == 1:
        return 1.0
    distances = sorted(float(np.linalg.norm(x[row] - x[other])) for other in range(len(x)) if other != row)[:k]
    return 1 / (sum(distances) / len(distances))


def slow_picks(x: np.ndarray, cluster: np.ndarray, budget: int, labelled: list[int], k: int) -> list[int]:
    """Algorithm 1: of the clusters with the fewest labels the largest, of its unlabelled members the most typical."""
    picks: list[int] = []
    while len(picks) < budget:
        taken = set(labelled) | set(picks)
        groups = [np.flatnonzero(cluster == c) for c in set(cluster.tolist())]
        groups = [group for group in groups if set(group.tolist()) - taken]
        best = min(groups, key=lambda group: (len(taken & set(group.tolist())), -len(group), int(group[0])))
        scores = {int(row): slow_typicality(x[best], at, k) for at, row in enumerate(best) if int(row) not in taken}
        picks.append(min(scores, key=lambda row: (-round(scores[row], 6), row)))
    return picks


@cases
@given(st.integers(6, 40), st.integers(1, 12), st.integers(0, 4), st.integers(1, 6), st.integers(0, 99))
def test_picks_are_those_of_the_paper(n, budget, labels, k, seed):
    x = unit(n, 4, seed)
    labelled = np.random.default_rng(seed).permutation(n)[:labels]
    rows, sizes, scores = typiclust(x, budget, labelled, k, seed)
    budget = min(budget, n - labels)
    cluster = assign(x, min(budget + labels, n), seed)
    assert rows.tolist() == slow_picks(x, cluster, budget, labelled.tolist(), k)
    assert sizes.tolist() == [int((cluster == cluster[row]).sum()) for row in rows]
    for row, score in zip(rows, scores, strict=True):
        members = np.flatnonzero(cluster == cluster[row])
        assert score == pytest.approx(slow_typicality(x[members], members.tolist().index(row), k), rel=1e-5)


@cases
@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 99))
def test_typicality_is_the_inverse_mean_distance(n, k, seed):
    x = unit(n, 3, seed)
    assert typicality(x, k) == pytest.approx([slow_typicality(x, row, k) for row in range(n)], rel=1e-5)


def test_typicality_over_more_rows_than_a_block():
    x = unit(1500, 3, 0)
    some = [0, 1023, 1024, 1499]
    assert typicality(x, 20)[some] == pytest.approx([slow_typicality(x, row, 20) for row in some], rel=1e-5)


def test_on_a_line_the_middle_is_typical():
    x = np.array([[0.0], [1], [2], [3], [4]])
    assert typicality(x, 2) == pytest.approx([1 / 1.5, 1, 1, 1, 1 / 1.5])
    assert typiclust(x, 1, NONE, 4, 0)[0].tolist() == [2]
    assert typiclust(x, 1, NONE, 2, 0)[0].tolist() == [1]  # three are equally typical: the smallest row


def test_each_blob_gives_its_centre_the_largest_first():
    rng = np.random.default_rng(0)
    sizes = (30, 50, 40)
    centres = np.eye(3) * 10
    x = np.repeat(centres, sizes, axis=0) + rng.normal(size=(120, 3))
    x[[0, 30, 80]] = centres
    rows, counts, _ = typiclust(x, 3, NONE, 100, 0)
    assert counts.tolist() == [50, 40, 30]
    assert np.searchsorted([30, 80, 120], rows, side="right").tolist() == [1, 2, 0]
    labelled = np.flatnonzero(np.arange(120) == 35)  # the largest blob has a label: the other two come first
    assert [0 if row < 30 else 2 for row in typiclust(x, 2, labelled, 100, 0)[0]] == [2, 0]


def test_twins_are_picked_by_row_whatever_rounding_says():
    x = np.repeat(unit(4, 64, 1).astype(np.float16), [40, 30, 20, 10], axis=0)
    rows, sizes, _ = typiclust(x, 8, NONE, 5, 0)
    assert rows.tolist() == [0, 40, 70, 90, 1, 41, 71, 91]
    assert sizes.tolist() == [40, 30, 20, 10] * 2


def test_equal_rows_are_equally_typical_though_their_products_round_apart():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = np.repeat(unit(1, int(rng.integers(2, 600)), seed).astype(np.float16), rng.integers(2, 300), axis=0)
        assert len(set(typicality(x.astype(np.float64), 20))) == 1
        twins = np.concatenate([unit(50, 128, seed), unit(10, 128, seed)])
        assert len(set(typicality(twins, 1)[:10])) == 1


@cases
@given(st.integers(0, 20), st.integers(0, 60), st.integers(0, 99))
def test_a_budget_beyond_the_images_takes_each_once(labels, budget, seed):
    x = unit(20, 3, seed)
    labelled = np.random.default_rng(seed).permutation(20)[:labels]
    rows, sizes, scores = typiclust(x, budget, labelled, 20, seed)
    assert len(rows) == len(set(rows.tolist())) == len(sizes) == len(scores) == min(budget, 20 - labels)
    assert not set(rows.tolist()) & set(labelled.tolist())


def test_one_image_and_none():
    assert typiclust(np.ones((1, 4)), 5, NONE, 20, 0)[0].tolist() == [0]
    assert typiclust(np.ones((1, 4)), 5, np.array([0]), 20, 0)[0].tolist() == []
    assert typiclust(np.ones((0, 4)), 5, NONE, 20, 0)[0].tolist() == []
    assert typiclust(np.ones((7, 4)), 3, NONE, 20, 0)[0].tolist() == [0, 1, 2]


def test_picks_are_equal_on_one_thread_and_two():
    x = unit(3000, 32, 0).astype(np.float16)
    picks = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            picks.append([part.tolist() for part in typiclust(x, 25, np.array([7, 11]), 20, 0)])
    assert picks[0] == picks[1]


def test_a_large_budget_is_filled_in_a_moment():
    x = unit(4000, 2, 0)
    assert len(typiclust(np.round(x, 1), 2000, NONE, 20, 0)[0]) == 2000
