"""Looks in closed form, and against a slow Laplacian."""

import numpy as np
import pytest

from components.common.data.looks import brightness, looks, sharpness, size


@pytest.mark.parametrize("channels", [1, 3])
def test_one_level_is_as_bright_as_it_is_and_has_no_edge(channels):
    for level, expected in ((0, 0.0), (255, 1.0), (51, 0.2)):
        flat = np.full((channels, 9, 9), level, np.uint8)
        assert looks(flat, 30, 120) == (pytest.approx(expected), 60.0, pytest.approx(0.0, abs=1e-30))


def test_a_ramp_is_smooth_inside_and_a_board_of_single_pixels_is_as_sharp_as_can_be():
    ramp = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (50, 1))[None]
    board = ((np.indices((50, 50)).sum(axis=0) % 2) * 255).astype(np.uint8)[None]
    assert sharpness(ramp) < 1e-4
    assert sharpness(board) == pytest.approx(4**2, rel=0.1)  # the Laplacian is 4 and -4 by turns
    blurred = ((board[:, :-1, :-1].astype(int) + board[:, 1:, :-1]) // 2).astype(np.uint8)
    assert sharpness(blurred) < sharpness(board) / 10


def test_sharpness_is_the_variance_of_a_laplacian_with_a_repeated_border():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 6, 7), np.uint8)
    grey = pixels.mean(axis=0) / 255

    def at(row: int, column: int) -> float:
        return grey[min(max(row, 0), 5), min(max(column, 0), 6)]

    laplacian = [
        at(r - 1, c) + at(r + 1, c) + at(r, c - 1) + at(r, c + 1) - 4 * at(r, c) for r in range(6) for c in range(7)
    ]
    assert sharpness(pixels) == pytest.approx(np.var(laplacian))
    assert brightness(pixels) == pytest.approx(grey.mean())


def test_the_size_is_the_side_of_a_square_of_as_many_pixels():
    assert size(16, 9) == pytest.approx(12)
    assert size(65_000, 65_000) == pytest.approx(65_000)  # the product is more than 32 bits hold
