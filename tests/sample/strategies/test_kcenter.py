"""k-center greedy against the dense matrix, with shortlists of any length, and on a line whose answer is plain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.sample.strategies import kcenter as module
from components.sample.strategies.kcenter import kcenter
from tests.sample.strategies.pools import blobs, check_copies, check_rules, pool_of, split, unit
from tests.sample.strategies.textbook import dense_kcenter

cases = settings(max_examples=25, deadline=None)


def test_rules(tmp_path):
    check_rules(kcenter, tmp_path)
    check_copies(kcenter)


@cases
@given(
    st.integers(10, 60),
    st.integers(1, 60),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(1, 70),
    st.booleans(),
    st.integers(0, 99),
)
def test_picks_are_those_of_the_dense_matrix(n, budget, labels, shut, shortlist, ties, seed):
    x = unit(n, 4, seed)
    if ties:
        x = np.round(x * 2) / 2  # many equal distances, and copies
    labelled, closed = split(n, labels, shut, seed)
    pool = pool_of(x, labelled, closed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SHORTLIST", (shortlist, shortlist))
        picks = kcenter(pool, budget).positions.tolist()
    assert picks == dense_kcenter(x, budget, labelled, pool.free)


@pytest.mark.parametrize("labels", [0, 700])
def test_many_blocks_and_refreshed_shortlists(labels, monkeypatch):
    monkeypatch.setattr(module, "SHORTLIST", (50, 50))
    monkeypatch.setattr(module, "BLOCK", 300)
    x = blobs(2000, 32, 0)
    labelled, closed = split(2000, labels, 100, 0)
    pool = pool_of(x, labelled, closed, threads=2)
    assert kcenter(pool, 60).positions.tolist() == dense_kcenter(x, 60, labelled, pool.free)


def test_the_ends_of_a_line_come_after_its_middle():
    line = np.arange(9, dtype=np.float64)[:, None]
    picks, reasons = kcenter(pool_of(line), 5)
    assert picks.tolist() == [4, 0, 8, 2, 6]
    assert reasons == [
        "nearest to the mean of all images",
        "far from every labelled image (distance 4.00)",
        "far from every labelled image (distance 4.00)",
        "far from every labelled image (distance 2.00)",
        "far from every labelled image (distance 2.00)",
    ]
    assert kcenter(pool_of(line, [0]), 2).positions.tolist() == [8, 4]
    assert kcenter(pool_of(line, [0], [8]), 2).positions.tolist() == [7, 3]
