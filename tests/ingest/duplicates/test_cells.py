"""Cells against distances computed one by one; components against a slow search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.duplicates.cells import LEAST, REACH, divide
from components.ingest.duplicates.connections import Connections, connected
from components.ingest.duplicates.tangents import FEW, SCALE


def drawn(count: int) -> np.ndarray:
    """Vectors around a few directions."""
    draws = np.random.default_rng(0)
    vectors = draws.normal(size=(20, FEW))[draws.integers(0, 20, count)] + 0.3 * draws.normal(size=(count, FEW))
    return np.round(SCALE * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.int16)


def test_a_vector_lies_in_the_cell_of_the_nearest_centre_and_reaches_behind_borders() -> None:
    vectors = drawn(3000)
    cells = divide(vectors)
    centres = cells.centres.astype(np.float64)
    own = cells.nearest(vectors)
    reached = cells.reached(vectors)
    for vector, cell, reaches in zip(vectors[:200].astype(np.float64), own, reached, strict=False):
        distances = np.linalg.norm(centres - vector, axis=1)
        assert distances[cell] == distances.min()
        for other in np.flatnonzero(distances > distances.min()):
            # The border is the plane through the middle between two centres.
            across = (centres[other] - centres[cell]) / np.linalg.norm(centres[other] - centres[cell])
            beyond = ((centres[other] + centres[cell]) / 2 - vector) @ across
            assert reaches[other] == (beyond <= REACH * SCALE) or beyond == pytest.approx(REACH * SCALE, abs=0.1)
        assert reaches[cell]


def test_cells_follow_the_vectors_and_are_whole_numbers() -> None:
    vectors = drawn(3000)
    cells = divide(vectors)
    assert len(cells.centres) == 3000 // LEAST
    np.testing.assert_array_equal(cells.centres, np.round(cells.centres))
    own = cells.nearest(vectors)
    within = np.linalg.norm(vectors - cells.centres[own], axis=1).mean()
    assert within < 0.8 * np.linalg.norm(vectors - vectors.mean(0), axis=1).mean()
    again = divide(vectors)
    np.testing.assert_array_equal(cells.centres, again.centres)


@pytest.mark.parametrize("count", [0, 1, 2 * LEAST - 1])
def test_few_vectors_are_one_cell(count: int) -> None:
    cells = divide(drawn(count))
    assert cells.nearest(drawn(count)).tolist() == [0] * count
    assert cells.reached(drawn(count)).all()


def test_equal_vectors_are_found_in_one_cell() -> None:
    vectors = np.repeat(drawn(1), 5 * LEAST, 0)
    assert divide(vectors).nearest(vectors).tolist() == [0] * len(vectors)


PAIRS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda pair: pair[0] != pair[1]))


@given(PAIRS)
def test_components_equal_those_of_a_slow_search(pairs: list[tuple[int, int]]) -> None:
    expected = {node: node for pair in pairs for node in pair}
    for _ in expected:
        for a, b in pairs:
            expected[a] = expected[b] = min(expected[a], expected[b])
    array = np.array(pairs, np.int64).reshape(-1, 2)
    assert connected(array) == expected
    built = Connections(13)
    for pair in array:
        built.join(pair[:1], pair[1:])
        assert not built.apart(pair[:1], pair[1:])
    assert connected(built.pairs()) == expected
    assert all(a == expected[b] for a, b in built.pairs().tolist())
