"""TypiClust against a slow reading of the paper, against its dense float64 version, and on arrangements whose answer is
plain.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.sample.strategies.clusters import clustered
from components.sample.strategies.typiclust import MEASURED, typicality, typiclust
from tests.sample.strategies.pools import blobs, check_copies, check_rules, pool_of, split, unit
from tests.sample.strategies.textbook import dense_typiclust

cases = settings(max_examples=25, deadline=None)


def slow_typicality(x: np.ndarray, row: int, k: int) -> float:
    if len(x) == 1:
        return 1.0
    x = x.astype(np.float64)
    k = max(k, len(x) // 2)
    distances = sorted(float(np.linalg.norm(x[row] - x[other])) for other in range(len(x)) if other != row)[:k]
    return 1 / (sum(distances) / len(distances))


def slow_picks(
    x: np.ndarray, cluster: np.ndarray, budget: int, labelled: list[int], closed: list[int], k: int
) -> list[int]:
    """Algorithm 1: of the clusters with the fewest labels the largest, of its unlabelled members the most typical."""
    picks: list[int] = []
    while len(picks) < budget:
        taken = set(labelled) | set(picks)
        groups = [np.flatnonzero(cluster == c) for c in set(cluster.tolist())]
        groups = [group for group in groups if set(group.tolist()) - taken - set(closed)]
        best = min(groups, key=lambda group: (len(taken & set(group.tolist())), -len(group), int(group[0])))
        scores = {
            int(row): slow_typicality(x[best], at, k)
            for at, row in enumerate(best)
            if int(row) not in taken | set(closed)
        }
        picks.append(min(scores, key=lambda row: (-round(scores[row], 6), row)))
    return picks


def test_rules(tmp_path):
    check_rules(typiclust, tmp_path)
    check_copies(typiclust)


@cases
@given(
    st.integers(10, 40), st.integers(1, 12), st.integers(0, 4), st.integers(0, 4), st.integers(1, 6), st.integers(0, 99)
)
def test_picks_are_those_of_the_paper(n, budget, labels, shut, k, seed):
    x = unit(n, 4, seed)
    labelled, closed = split(n, labels, shut, seed)
    pool = pool_of(x, labelled, closed, seed)
    picks, reasons = typiclust(pool, budget, k)
    budget = min(budget, n - labels - shut)
    cluster, _ = clustered(pool, budget + labels)
    assert picks.tolist() == slow_picks(x, cluster, budget, labelled, closed, k)
    for pick, reason in zip(picks, reasons, strict=True):
        members = np.flatnonzero(cluster == cluster[pick])
        score = slow_typicality(x[members], members.tolist().index(pick), k)
        assert reason == f"typical of a cluster of {len(members)} (typicality {score:.2f})"


@pytest.mark.parametrize("seed", range(4))
def test_picks_are_those_of_the_dense_version(seed):
    x = blobs(1500, 24, seed)
    labelled, _ = split(1500, 11 * (seed % 2), 0, seed)
    rows, _, scores = dense_typiclust(x, 30, np.array(labelled, np.int64), 20, seed)
    picks, reasons = typiclust(pool_of(x, labelled, seed=seed), 30)
    assert picks.tolist() == rows.tolist()
    assert [reason.split()[-1] for reason in reasons] == [f"{score:.2f})" for score in scores]


@cases
@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 99))
def test_typicality_is_the_inverse_mean_distance(n, k, seed):
    x = unit(n, 3, seed)
    found = typicality(pool_of(x), [np.arange(n)], k)
    assert found == pytest.approx([slow_typicality(x, row, k) for row in range(n)], rel=1e-5)


def test_a_large_cluster_is_measured_against_a_part_of_it():
    x = blobs(3 * MEASURED, 8, 0, count=1)
    everything = np.arange(len(x))
    whole = pool_of(x)
    found = typicality(whole, [everything], 20)
    assert (found == typicality(whole, [everything], 20)).all()
    some = [0, MEASURED, 3 * MEASURED - 1]
    assert found[some] == pytest.approx([slow_typicality(x, row, 20) for row in some], rel=0.1)
    halves = [everything[:MEASURED], everything[MEASURED : 2 * MEASURED]]
    small = typicality(whole, halves, 20)
    assert small[:1] == pytest.approx([slow_typicality(x[:MEASURED], 0, 20)], rel=1e-5)


def test_on_a_line_the_middle_is_typical():
    line = pool_of(np.array([[0.0], [1], [2], [3], [4]]))
    assert typicality(line, [np.arange(5)], 2) == pytest.approx([1 / 1.5, 1, 1, 1, 1 / 1.5])
    assert typiclust(line, 1, 4).positions.tolist() == [2]
    assert typiclust(line, 1, 2).positions.tolist() == [1]  # three are equally typical: the smallest position
    assert typiclust(pool_of(line.vectors, closed=[1]), 1, 2).positions.tolist() == [2]


def test_the_middle_of_a_large_cluster_is_more_typical_than_a_dense_spot_at_its_edge():
    rng = np.random.default_rng(0)
    spot = np.array([2.0, 0]) + 0.01 * rng.normal(size=(40, 2))  # more than `neighbours` in it
    x = np.concatenate([spot, rng.normal(size=(960, 2))])
    picks, _ = typiclust(pool_of(x), 1, 20)
    assert np.linalg.norm(x[picks[0]]) < 0.5


def test_each_blob_gives_its_centre_the_largest_first():
    rng = np.random.default_rng(0)
    sizes = (30, 50, 40)
    centres = np.eye(3) * 10
    x = np.repeat(centres, sizes, axis=0) + rng.normal(size=(120, 3))
    x[[0, 30, 80]] = centres
    picks, reasons = typiclust(pool_of(x), 3, 100)
    assert [reason.split()[5] for reason in reasons] == ["50", "40", "30"]
    assert np.searchsorted([30, 80, 120], picks, side="right").tolist() == [1, 2, 0]
    labelled = typiclust(pool_of(x, [35]), 2, 100).positions  # the largest blob has a label: the other two come first
    assert np.searchsorted([30, 80, 120], labelled, side="right").tolist() == [2, 0]


def test_twins_are_picked_by_position_whatever_rounding_says():
    x = np.repeat(unit(4, 64, 1), [40, 30, 20, 10], axis=0)
    picks, reasons = typiclust(pool_of(x), 8, 5)
    assert picks.tolist() == [0, 40, 70, 90, 1, 41, 71, 91]
    assert [reason.split()[5] for reason in reasons] == ["40", "30", "20", "10"] * 2


def test_equal_images_are_equally_typical():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        x = np.repeat(unit(1, int(rng.integers(2, 600)), seed), rng.integers(2, 300), axis=0)
        assert len(set(typicality(pool_of(x), [np.arange(len(x))], 20))) == 1
        twins = np.concatenate([unit(50, 128, seed), unit(10, 128, seed)])
        found = typicality(pool_of(twins), [np.arange(60)], 1)
        assert found[:10].tolist() == found[50:].tolist()


def test_a_large_budget_is_filled_in_a_moment():
    assert len(typiclust(pool_of(np.round(unit(4000, 2, 0), 1)), 2000).positions) == 2000
