"""Distances to the nearest reference image against a search, leaving one out, and picks unlike one another."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from components.monitor.statistics.novelty import BLOCK, novelty, spread, usual


def test_the_distance_is_that_of_a_search_in_all_blocks():
    rng = np.random.default_rng(0)
    reference, observed = rng.normal(size=(37, 5)), rng.normal(size=(BLOCK + 11, 5))
    found = novelty(reference.astype(np.float16), observed)
    assert found.dtype == np.float32
    assert found == pytest.approx(cdist(observed, reference, "cosine").min(axis=1), abs=2e-3)


def test_angles_in_closed_form():
    observed = np.array([[1, 0], [0, 2], [-3, 0], [0, 0], [1, 1]], float)
    assert novelty(np.array([[5.0, 0.0]]), observed) == pytest.approx([0, 1, 2, 1, 1 - np.sqrt(0.5)], abs=1e-6)
    assert novelty(np.array([[5.0, 0.0]]), observed[:0]).shape == (0,)


@pytest.mark.parametrize("n", [2, 30, BLOCK + 3])
def test_what_is_usual_leaves_the_image_itself_out(n):
    reference = np.random.default_rng(1).normal(size=(n, 4))
    distances = cdist(reference, reference, "cosine")
    np.fill_diagonal(distances, np.inf)
    assert usual(reference, 0.9) == pytest.approx(np.quantile(distances.min(axis=1), 0.9), abs=1e-5)


def test_of_no_new_images_as_many_are_beyond_the_usual_as_it_says():
    rng = np.random.default_rng(2)
    beyond = [
        (novelty(reference := rng.normal(size=(300, 6)), rng.normal(size=(200, 6))) > usual(reference, 0.95)).mean()
        for _ in range(30)
    ]
    assert np.mean(beyond) == pytest.approx(0.05, abs=0.015)


def slow_spread(x: np.ndarray, distances: np.ndarray, above: float, count: int) -> list[int]:
    new = [i for i in range(len(x)) if distances[i] > above]
    picked: list[int] = []
    while len(picked) < min(count, len(new)):
        nearest = {
            i: min([distances[i], *(cdist(x[[i]], x[[j]], "cosine")[0, 0] for j in picked)])
            for i in new
            if i not in picked
        }
        picked.append(max(nearest, key=lambda i: nearest[i]))
    return picked


def test_picks_are_those_of_the_slow_search():
    rng = np.random.default_rng(3)
    reference, x = rng.normal(size=(10, 3)), rng.normal(size=(40, 3))
    distances = cdist(x, reference, "cosine").min(axis=1)
    above = float(np.quantile(distances, 0.3))
    assert spread(x, distances, above, 12).tolist() == slow_spread(x, distances, above, 12)


def test_the_first_pick_is_the_most_novel_and_copies_come_last():
    x = np.array([[0, 1, 0], [0, 1, 0.001], [0, 1, 0.002], [0, 0, 1]], float)
    distances = np.array([0.9, 0.9, 0.95, 0.5])
    assert spread(x, distances, above=0.1, count=2).tolist() == [2, 3]
    assert sorted(spread(x, distances, above=0.1, count=9).tolist()) == [0, 1, 2, 3]


def test_nothing_new_names_nothing():
    assert spread(np.ones((3, 2)), np.full(3, 0.1), above=0.1, count=5).tolist() == []
    assert spread(np.ones((3, 2)), np.full(3, 0.1), above=0.0, count=0).tolist() == []
