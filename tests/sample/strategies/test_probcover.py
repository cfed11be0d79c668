"""ProbCover against the dense graph, its delta against a search of radii, and on a line whose answer is plain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.sample.strategies import probcover as module
from components.sample.strategies.clusters import centres_of
from components.sample.strategies.probcover import probcover, pure_radius
from tests.sample.strategies.pools import blobs, check_copies, check_rules, pool_of, split, unit
from tests.sample.strategies.textbook import dense_probcover, distances

cases = settings(max_examples=25, deadline=None)


def purity(x: np.ndarray, cluster: np.ndarray, radius: float) -> float:
    """Share of the images whose ball of this squared radius holds one pseudo-label only."""
    return float(np.mean([len(set(cluster[row <= radius].tolist())) == 1 for row in distances(x)]))


def test_rules(tmp_path):
    check_rules(probcover, tmp_path)
    check_copies(probcover)
    check_copies(lambda pool, budget: probcover(pool, budget, delta=0.1))


@cases
@given(
    st.integers(10, 60),
    st.integers(1, 60),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from([0.01, 0.3, 0.8, 2.0]),
    st.integers(0, 99),
)
def test_picks_are_those_of_the_dense_graph(n, budget, labels, shut, delta, seed):
    x = unit(n, 4, seed)
    labelled, closed = split(n, labels, shut, seed)
    pool = pool_of(x, labelled, closed)
    picks = probcover(pool, budget, delta=delta).positions.tolist()
    assert picks == dense_probcover(x, budget, labelled, pool.free, delta)


def test_many_blocks(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 200)
    monkeypatch.setattr(module, "COLUMNS", 304)
    x = blobs(900, 32, 0)
    labelled, closed = split(900, 300, 50, 0)
    pool = pool_of(x, labelled, closed, threads=2)
    radius = pure_radius(x.astype(np.float64), 10, 0, 2)
    assert probcover(pool, 300).positions.tolist() == dense_probcover(x, 300, labelled, pool.free, np.sqrt(radius))


@cases
@given(st.integers(8, 60), st.integers(2, 5), st.integers(0, 99))
def test_delta_is_the_greatest_at_which_enough_balls_are_pure(n, classes, seed):
    x = blobs(n, 3, seed, count=classes).astype(np.float64)
    centres = centres_of(x, classes, seed)
    cluster = np.linalg.norm(x[:, None] - centres, axis=2).argmin(axis=1)
    radius = pure_radius(x, classes, seed, 1)
    assert purity(x, cluster, radius - 1e-12) >= 0.95
    assert purity(x, cluster, radius + 1e-9) < 0.95
    assert all(purity(x, cluster, one) < 0.95 for one in np.linspace(radius + 1e-9, 4, 20))


def test_of_points_on_a_line_the_one_that_covers_most():
    line = np.array([0.0, 1, 2, 3, 10, 11, 12, 20])[:, None]
    picks, reasons = probcover(pool_of(line), 5, delta=1)
    assert picks.tolist() == [1, 5, 2, 7, 0]
    assert reasons == [
        "within 1.00 of 3 images not covered yet",
        "within 1.00 of 3 images not covered yet",
        "within 1.00 of 1 image not covered yet",
        "within 1.00 of 1 image not covered yet",
        "within 1.00 of 2 images (all are covered already)",
    ]
    assert probcover(pool_of(line, [5]), 2, delta=1).positions.tolist() == [1, 2]
    assert probcover(pool_of(line, [5], [1]), 1, delta=1).positions.tolist() == [2]


def test_two_groups_set_delta_to_their_distance():
    x = np.repeat([[0.0, 0], [3.0, 4]], 50, axis=0)
    assert np.sqrt(pure_radius(x, 2, 0, 1)) == pytest.approx(5)
    assert pure_radius(x, 1, 0, 1) == 4


def test_of_a_large_pool_a_part_is_measured_and_may_be_picked(monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 300)
    x = blobs(1500, 16, 0)
    pool = pool_of(x, *split(1500, 10, 150, 0))
    picks = probcover(pool, 30).positions
    assert (picks == probcover(pool, 30).positions).all()
    assert len(set(picks.tolist())) == 30
    assert pool.free[picks].all()
    near = distances(x) <= 0.5
    assert near[:, picks].any(axis=1).mean() > near[:, np.flatnonzero(pool.free)[:30]].any(axis=1).mean()
    assert len(probcover(pool, 1400).positions) == 1340  # a budget beyond the limit
