"""k-means picks against a slow walk over its clusters, and on groups whose middle is plain."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from components.sample.strategies import clusters
from components.sample.strategies.clusters import centres_of, clustered
from components.sample.strategies.kmeans import kmeans
from tests.sample.strategies.pools import blobs, check_copies, check_rules, pool_of, split, unit

cases = settings(max_examples=25, deadline=None)


def test_rules(tmp_path):
    check_rules(kmeans, tmp_path)
    check_copies(kmeans)


@cases
@given(st.integers(10, 40), st.integers(1, 12), st.integers(0, 4), st.integers(0, 4), st.integers(0, 99))
def test_picks_are_the_nearest_to_the_centres_of_clusters_without_a_label(n, budget, labels, shut, seed):
    x = unit(n, 4, seed).astype(np.float64)
    labelled, closed = split(n, labels, shut, seed)
    pool = pool_of(x, labelled, closed, seed)
    budget = min(budget, n - labels - shut)
    cluster, centres = clustered(pool, budget + labels)
    expected: list[int] = []
    while len(expected) < budget:
        taken = {*labelled, *expected}
        lines = [
            (sum(row in taken for row in group), -len(group), int(group[0]), min(open_rows))
            for c, group in ((c, np.flatnonzero(cluster == c)) for c in range(len(centres)))
            if (
                open_rows := [
                    (round(float(np.linalg.norm(x[row] - centres[c])), 9), int(row))
                    for row in group
                    if row not in taken and row not in closed
                ]
            )
        ]
        expected.append(min(lines)[3][1])
    assert kmeans(pool, budget).positions.tolist() == expected


def test_the_middle_of_each_group_the_largest_first():
    x = np.array([[0.0, 1], [0, 2], [0, 3], [9, 1], [9, 2], [9, 3], [9, 2], [50, 0]])
    picks, reasons = kmeans(pool_of(x), 3)
    assert picks.tolist() == [4, 1, 7]
    assert reasons == [
        "nearest to the centre of a cluster of 4 (distance 0.00)",
        "nearest to the centre of a cluster of 3 (distance 0.00)",
        "nearest to the centre of a cluster of 1 (distance 0.00)",
    ]
    assert kmeans(pool_of(x, [3]), 2).positions.tolist() == [1, 7]
    assert kmeans(pool_of(x, [3], [1]), 2).positions.tolist() == [0, 7]


@pytest.mark.parametrize("affordable", [0, clusters.AFFORDABLE])
def test_a_part_of_a_large_pool_is_fitted_and_all_of_it_assigned(affordable, monkeypatch):
    monkeypatch.setattr(clusters, "AFFORDABLE", affordable)
    monkeypatch.setattr(clusters, "CAREFUL", 200)
    monkeypatch.setattr(clusters, "FIT_AT_MOST", 700)
    x = np.repeat(np.eye(6, dtype=np.float16), [500, 400, 300, 200, 100, 50], axis=0)
    picks = [kmeans(pool_of(x, threads=threads), 6).positions.tolist() for threads in (1, 2)]
    assert picks[0] == picks[1] == [0, 500, 900, 1200, 1400, 1500]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of k-means: fewer different vectors than clusters
        assert len(kmeans(pool_of(x), 40).positions) == 40


@pytest.mark.parametrize("affordable", [0, clusters.AFFORDABLE])
def test_centres_are_means_that_no_image_would_leave(affordable, monkeypatch):
    monkeypatch.setattr(clusters, "AFFORDABLE", affordable)
    monkeypatch.setattr(clusters, "CAREFUL", 500)
    monkeypatch.setattr(clusters, "STEPS", 300)
    x = blobs(2000, 8, 0).astype(np.float32)
    centres = centres_of(x, 12, 0)
    nearest = np.linalg.norm(x[:, None] - centres, axis=2).argmin(axis=1)
    means = np.array([x[nearest == c].mean(axis=0) for c in range(12)])
    assert np.abs(means - centres).max() < 0.02


def test_a_large_pool_in_few_clusters_is_fitted_from_several_starts_and_in_many_from_one(monkeypatch):
    fitted: list[int] = []

    class Counted(KMeans):
        def fit(self, x):
            fitted.append(self.n_init)
            return super().fit(x)

    monkeypatch.setattr(clusters, "KMeans", Counted)
    monkeypatch.setattr(clusters, "CAREFUL", 500)
    monkeypatch.setattr(clusters, "AFFORDABLE", 4 * 2000 * 8 * 10 * clusters.FULL_STEPS)
    x = blobs(2000, 8, 0).astype(np.float32)
    for count in (10, 20, 40):
        centres_of(x, count, 0)
    assert fitted == [4, 2, 1]
