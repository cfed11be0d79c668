"""MaxHerding against gains from the dense kernel at every pick, and where the coverage has a closed form."""

from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.sample.strategies import maxherding as module
from components.sample.strategies.maxherding import half_median, maxherding
from tests.sample.strategies.pools import blobs, check_copies, check_rules, pool_of, split, unit
from tests.sample.strategies.textbook import dense_maxherding, distances

cases = settings(max_examples=25, deadline=None)


def test_rules(tmp_path):
    check_rules(maxherding, tmp_path)
    check_copies(maxherding)


@cases
@given(
    st.integers(10, 60),
    st.integers(1, 60),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from([0.2, 0.5, 1.0]),
    st.booleans(),
    st.integers(0, 99),
)
def test_picks_are_those_of_the_dense_kernel(n, budget, labels, shut, sigma, kept, seed):
    x = unit(n, 4, seed)
    labelled, closed = split(n, labels, shut, seed)
    pool = pool_of(x, labelled, closed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "KEPT", module.KEPT if kept else 0)
        picks = maxherding(pool, budget, sigma).positions.tolist()
    assert picks == dense_maxherding(x, budget, labelled, pool.free, sigma)


@pytest.mark.parametrize("kept", [0, 10_000_000])
def test_many_blocks(kept, monkeypatch):
    monkeypatch.setattr(module, "KEPT", kept)
    monkeypatch.setattr(module, "ROWS", 200)
    monkeypatch.setattr(module, "COLUMNS", 300)
    x = blobs(900, 32, 0)
    labelled, closed = split(900, 300, 50, 0)
    pool = pool_of(x, labelled, closed, threads=2)
    assert maxherding(pool, 60, 1).positions.tolist() == dense_maxherding(x, 60, labelled, pool.free, 1)


def test_orthogonal_groups_go_by_size_with_the_gain_of_the_formula():
    sizes = [50, 40, 30, 20]
    x = np.repeat(np.eye(4, dtype=np.float16), sizes, axis=0)
    picks, reasons = maxherding(pool_of(x), 5, 1)
    assert picks.tolist() == [0, 50, 90, 120, 1]
    far = exp(-2)  # the kernel of orthogonal unit vectors
    gains = [(50 + far * 90) / 140, *(size * (1 - far) / 140 for size in sizes[1:]), 0]
    assert reasons == [f"adds {gain:.4f} to the coverage of the pool" for gain in gains]
    assert maxherding(pool_of(x, [60], list(range(50))), 2).positions.tolist() == [90, 120]


def test_of_a_large_pool_a_part_is_measured_and_may_be_picked(monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 300)
    x = blobs(1500, 16, 0)
    labelled, closed = split(1500, 10, 150, 0)
    pool = pool_of(x, labelled, closed)
    picks = maxherding(pool, 30, 1).positions
    assert (picks == maxherding(pool, 30, 1).positions).all()
    assert len(set(picks.tolist())) == 30
    assert pool.free[picks].all()
    kernel = np.exp(-distances(x))
    chance = kernel[:, np.flatnonzero(pool.free)[:30]].max(axis=1).mean()
    best = dense_maxherding(x, 30, labelled, pool.free, 1)
    full, found = (kernel[:, [*labelled, *rows]].max(axis=1).mean() for rows in (best, picks))
    assert found - chance > 0.7 * (full - chance)
    assert len(maxherding(pool, 350).positions) == 350  # a budget beyond the limit


def test_sigma_is_half_the_median_distance():
    x = unit(61, 8, 0)
    sigma = np.sqrt(np.median(distances(x)[np.triu_indices(61, 1)])) / 2
    assert half_median(pool_of(x), np.arange(61)) == pytest.approx(sigma)
    assert maxherding(pool_of(x), 20).positions.tolist() == dense_maxherding(x, 20, [], np.ones(61, bool), sigma)
    assert half_median(pool_of(x[[3, 3, 3]]), np.arange(3)) == half_median(pool_of(x), np.arange(1)) == 1
