"""What counts as an edited copy: tones do not matter, detail does; and which members of a group are only edited."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from components.ingest.duplicates.kinds import EDITED, GROUND, NEAR
from components.ingest.duplicates.parts import near_parts
from components.ingest.duplicates.thumbnails import SIDE
from components.ingest.duplicates.tones import BLOCK, NOISE, detail, equalised, largest_tone
from tests import natural
from tests.ingest.duplicates.albums import digits, thumbnails_of

WHOLE = np.array([[0.0, 1, 0, 1]])


def judged(a: np.ndarray, b: np.ndarray) -> tuple[bool, bool]:
    """Whether b is a near-duplicate of a, and whether an edited copy."""
    return bool(NEAR.judge(a[None], b[None], WHOLE)[0]), bool(EDITED.judge(a[None], b[None], WHOLE)[0])


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return thumbnails_of(natural.patches(200, 200)[:1])[0]


def test_equalised_pixels_are_ranks_and_a_tone_curve_leaves_them() -> None:
    pixels = np.random.default_rng(0).integers(0, 128, (3, SIDE, SIDE)).astype(np.uint8)
    found = equalised(pixels)
    for image, ranks in zip(pixels, found, strict=True):
        expected = (rankdata(image).reshape(SIDE, SIDE) - 0.5) / SIDE**2 * 255
        np.testing.assert_allclose(ranks, expected, atol=1)
    curve = (np.arange(128) + np.arange(128) ** 2 // 127).astype(np.uint8)  # rising, so it merges no tones
    np.testing.assert_array_equal(equalised(curve[pixels]), found)
    assert equalised(pixels[:0]).shape == (0, SIDE, SIDE)


def test_the_largest_tone_is_that_of_the_ground() -> None:
    shown = np.zeros((2, SIDE, SIDE), np.uint8)
    shown[1] = np.arange(SIDE)
    np.testing.assert_array_equal(largest_tone(shown), [1, 1 / SIDE])
    assert not EDITED.admits(thumbnails_of(digits()[:50])).any()


def test_detail_is_the_correlation_in_squares() -> None:
    draws = np.random.default_rng(0)
    a = draws.normal(100, 10, (1, SIDE, SIDE)).astype(np.float32)
    a[:, : SIDE // 2] = 100
    b = (0.7 * a + 20 + draws.normal(0, 3, a.shape)).astype(np.float32)
    share, correlation = detail(a, b)
    assert share[0] == 0.5
    blocks = SIDE // BLOCK
    for number in range(blocks**2):
        down, across = BLOCK * (number // blocks), BLOCK * (number % blocks)
        one, other = (image[0, down : down + BLOCK, across : across + BLOCK] for image in (a, b))
        if number < blocks**2 // 2:
            assert correlation[0, number] == 1
        else:
            damping = np.sqrt((1 + NOISE**2 / one.var()) * (1 + NOISE**2 / other.var()))
            expected = np.corrcoef(one.ravel(), other.ravel())[0, 1] / damping
            assert correlation[0, number] == pytest.approx(expected, abs=1e-4)


def test_tones_tell_an_edited_copy_from_a_near_duplicate(photo: np.ndarray) -> None:
    assert judged(photo, photo) == (True, True)
    assert judged(photo, (photo * 0.7).astype(np.uint8)) == (False, True)
    assert judged(photo, (255 * (photo / 255) ** 1.5).astype(np.uint8))[1]
    assert judged(photo, 255 - photo) == (False, False)
    assert judged(photo, photo[:, ::-1]) == (False, False)


def test_the_same_outline_with_other_detail_is_no_edited_copy() -> None:
    """A garment in another grey: same shape, other folds."""
    draws = np.random.default_rng(0)
    ramp = np.linspace(0, 60, SIDE) + np.linspace(0, 60, SIDE)[:, None]
    shape = 90 * (np.hypot(*np.indices((SIDE, SIDE)) - SIDE / 2) < SIDE / 3) + ramp
    first, other = (np.clip(shape + draws.normal(0, 8, shape.shape), 0, 255).astype(np.uint8) for _ in range(2))
    assert largest_tone(np.stack([first, other])).max() < GROUND
    assert judged(first, (first * 0.7).astype(np.uint8)) == (False, True)
    assert judged(first, (other * 0.7).astype(np.uint8)) == (False, False)


def test_a_group_falls_into_near_duplicates_and_their_edited_copies(tmp_path: Path, photo: np.ndarray) -> None:
    dark = (photo * 0.6).astype(np.uint8)
    other = thumbnails_of(natural.patches(200, 200)[1:2])[0]
    shown = np.stack([dark, photo, photo + 1, dark, other, other, photo])
    (tmp_path / "thumbnails").write_bytes(shown.tobytes())
    groups = np.array(["a", "a", "a", "a", "b", "b", "b"])
    pairs = near_parts(tmp_path / "thumbnails", groups, np.array([0, 1, 2, 3, 4, 5, 6]))
    assert pairs.tolist() == [[0, 3], [1, 2], [4, 5]], "what lies in two groups is not compared"
    assert near_parts(tmp_path / "thumbnails", groups[:0], np.empty(0, np.int64)).tolist() == []
