"""Waves and alignment against closed forms."""

import numpy as np
import pytest
from scipy.fft import dctn

from components.ingest.duplicates.alignment import align
from components.ingest.duplicates.kinds import FINE
from components.ingest.duplicates.tangents import FEW, SCALE, coarse, space, unit_waves, view, windows
from components.ingest.duplicates.thumbnails import KEPT, SIDE, contrast, whole_waves, window_waves
from tests import natural
from tests.ingest.duplicates.albums import thumbnails_of

WHOLE = np.array([[0.0, 1, 0, 1]])


def test_waves_are_a_cosine_transform_in_whole_numbers() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE)).astype(np.uint8)
    found = whole_waves(pixels)
    moved = window_waves(pixels)
    assert (found.shape, moved.shape) == ((2, KEPT), (2, 5, KEPT))
    np.testing.assert_array_equal(found, np.round(found))
    np.testing.assert_array_equal(moved, np.round(moved))
    assert np.abs(found).max() < 2**53
    transformed = dctn(pixels.astype(float), axes=(1, 2))[:, [1, 0], [0, 1]] / 4 * 1024**2
    np.testing.assert_allclose(found[:, :2], transformed, rtol=0.01)
    np.testing.assert_allclose(contrast(pixels), pixels.std((1, 2)), rtol=1e-12)


def test_waves_tell_where_a_crop_lies() -> None:
    photo = natural.patches(200, 200)[0].convert("L")
    shown = thumbnails_of([photo, photo.crop((6, 4, 195, 197))])
    missed, where = windows(space(shown), np.array([0, 1]), unit_waves(shown[[1, 0]]))
    np.testing.assert_allclose(where[0], [6 / 200, 195 / 200, 4 / 200, 197 / 200], atol=0.005)
    assert missed[0] < 0.002 < missed[1]
    negative, _ = windows(space(255 - shown), np.array([0]), unit_waves(shown[1:]))
    assert negative[0] == 1


def test_the_first_question_is_a_projection_in_whole_numbers() -> None:
    photos = [photo.crop((3 * number, 2, 198, 197)) for number in range(3) for photo in natural.patches(200, 200)[:2]]
    shown = thumbnails_of(photos)
    spaces = space(shown)
    views = view(unit_waves(shown))
    asked = spaces.projection @ views["products"].astype(np.float32).T
    models = window_waves(shown)[:, :, :FEW]
    target = whole_waves(shown)[:, :FEW]
    for a, b in np.ndindex(asked.shape):
        residual = np.linalg.lstsq(models[a].T, target[b], rcond=None)[1][0]
        inside = 1 - residual / np.square(target[b]).sum()
        assert asked[a, b] / SCALE**2 == pytest.approx(inside, abs=0.002 if inside > 0.98 else 0.1)
    np.testing.assert_array_equal(asked, np.round(asked))
    np.testing.assert_array_equal(spaces.middle, coarse(models[:, 0]))


def test_alignment_tells_brightness_apart_and_finds_a_crop() -> None:
    photo = natural.patches(200, 200)[0].convert("L")
    a = np.asarray(photo.resize((SIDE, SIDE)), np.float32)[None]
    noise = np.random.default_rng(0).normal(size=(2, 1, SIDE, SIDE)).astype(np.float32).cumsum(2)
    cropped = np.asarray(photo.crop((6, 4, 195, 197)).resize((SIDE, SIDE)), np.float32)[None]
    for side in (16, SIDE):
        assert align(a, a, WHOLE, side, 2)[0][0] == pytest.approx(0, abs=1e-9)
        energy, gain, _ = align(a, 0.5 * a + 30, WHOLE, side, 2)
        assert (energy[0], gain[0]) == (pytest.approx(0, abs=1e-6), pytest.approx(0.5))
        assert align(a, noise[0], WHOLE, side, 2)[0][0] > 0.1
    energy, _, where = align(a, cropped, WHOLE, SIDE, 4)
    assert energy[0] < FINE / 4
    np.testing.assert_allclose(where[0], [6 / 200, 195 / 200, 4 / 200, 197 / 200], atol=0.005)
