"""Each change alone does what its setting says, differently for each image of a batch, and repeats by seed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from components.common.learning.augment import LUMA, augment, blur, cutout
from components.common.settings import Augment
from tests.stages import OFF, alone

SIZE = 16
EACH = [
    {"crop": 0.5},
    {"flip_horizontal": 0.5},
    {"flip_vertical": 0.5},
    {"rotate": 40.0},
    {"brightness": 0.4},
    {"contrast": 0.4},
    {"saturation": 0.4},
    {"hue": 0.3},
    {"greyscale": 0.5},
    {"blur": 0.5},
    {"cutout": 0.4},
]


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int, channels: int = 3, low: int = 0, high: int = 256) -> Tensor:
    return torch.randint(low, high, (n, channels, SIZE, SIZE), generator=draws(7), dtype=torch.uint8)


def slopes(n: int) -> Tensor:
    """Red is the position in x, green in y, both from 0 to 250."""
    at = ((torch.arange(SIZE) + 0.5) / SIZE * 250).round().to(torch.uint8)
    y, x = torch.meshgrid(at, at, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)]).expand(n, 3, SIZE, SIZE)


def luma(x: Tensor) -> Tensor:
    return torch.einsum("c,nchw->nhw", torch.tensor(LUMA), x)


@pytest.mark.parametrize("channels", [1, 3])
def test_all_off_is_the_image(channels):
    pixels = noise(5, channels)
    torch.testing.assert_close(augment(pixels, OFF, SIZE, draws()), pixels / 255, atol=1e-5, rtol=0)


def test_a_smaller_size_is_the_image_sampled_anew():
    quarters = augment(slopes(1), OFF, SIZE // 2, draws())
    torch.testing.assert_close(quarters, torch.nn.functional.avg_pool2d(slopes(1) / 255, 2), atol=1e-5, rtol=0)


@pytest.mark.parametrize("change", EACH, ids=lambda change: next(iter(change)))
def test_each_image_of_a_batch_has_its_own_parameters(change):
    same = noise(1, low=60, high=200).expand(24, -1, -1, -1)
    changed = augment(same, alone(**change), SIZE, draws())
    kinds = len({x.numpy().tobytes() for x in changed})
    coin = next(iter(change)) in ("flip_horizontal", "flip_vertical", "greyscale")
    assert kinds == 2 if coin else kinds > 6
    assert not torch.allclose(changed, same / 255)


@pytest.mark.parametrize("change", [{}, *EACH], ids=lambda change: next(iter(change), "all"))
def test_a_generator_in_the_same_state_gives_the_same_bytes(change):
    chosen = alone(**change) if change else Augment(rotate=20, blur=0.5, cutout=0.3, flip_vertical=0.5)
    first, again, other = (augment(noise(8), chosen, SIZE, draws(seed)).numpy().tobytes() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("name", "axis"), [("flip_horizontal", 3), ("flip_vertical", 2)])
def test_a_certain_flip_mirrors_every_image(name, axis):
    pixels = noise(4)
    torch.testing.assert_close(
        augment(pixels, alone(**{name: 1.0}), SIZE, draws()), pixels.flip(axis) / 255, atol=1e-5, rtol=0
    )


def test_a_crop_keeps_the_share_of_the_area_and_the_aspect_that_the_settings_allow():
    changed = augment(slopes(200), alone(crop=0.3, aspect=1.5), SIZE, draws()) * 255 / 250
    inner = SIZE - 3  # the outermost samples may lie beyond the first pixel's centre, where nothing rises
    wide = (changed[:, 0, 8, -2] - changed[:, 0, 8, 1]) * SIZE / inner
    high = (changed[:, 1, -2, 8] - changed[:, 1, 1, 8]) * SIZE / inner
    area = wide * high
    stretch = wide / high
    assert 0.27 < float(area.min()) < 0.4
    assert 0.8 < float(area.max()) < 1.03
    assert 0.6 < float(stretch.min()) < 0.8
    assert 1.25 < float(stretch.max()) < 1.6
    centre = changed[:, 0, 8, 7:9].mean(dim=1)
    assert float((centre - wide / 2).min()) > -0.05  # the window never leaves the image
    assert float((centre + wide / 2).max()) < 1.05
    assert float(centre.std()) > 0.04  # and moves


def test_without_a_crop_there_is_no_stretch_either():
    pixels = noise(6)
    torch.testing.assert_close(augment(pixels, alone(crop=1, aspect=2), SIZE, draws()), pixels / 255, atol=1e-5, rtol=0)


@pytest.mark.parametrize("reach", [30.0, 180.0])
def test_a_rotation_turns_a_spot_about_the_centre_by_at_most_its_setting(reach):
    spot = torch.zeros(200, 1, SIZE, SIZE, dtype=torch.uint8)
    spot[:, 0, 7:9, 10:12] = 250  # on the x axis, 3 pixels from the centre
    changed = augment(spot, alone(rotate=reach), SIZE, draws())[:, 0]
    at = torch.arange(SIZE) - (SIZE - 1) / 2
    mass = changed.sum(dim=(1, 2))
    x = (changed.sum(dim=1) * at).sum(dim=1) / mass
    y = (changed.sum(dim=2) * at).sum(dim=1) / mass
    angle = torch.atan2(y, x) * 180 / torch.pi
    torch.testing.assert_close((x**2 + y**2).sqrt(), torch.full((200,), 3.0), atol=0.15, rtol=0)
    assert 0.9 * reach < float(angle.abs().max()) < reach + 2
    assert abs(float(angle.mean())) < reach / 5


def test_brightness_is_one_factor_per_image():
    pixels = noise(50, low=20, high=120)
    ratio = augment(pixels, alone(brightness=0.4), SIZE, draws()) / (pixels / 255)
    factor = ratio.mean(dim=(1, 2, 3))
    torch.testing.assert_close(ratio, factor.view(-1, 1, 1, 1).expand_as(ratio), atol=1e-3, rtol=0)
    assert 0.6 <= float(factor.min()) < 0.65
    assert 1.35 < float(factor.max()) <= 1.4


@pytest.mark.parametrize("channels", [1, 3])
def test_contrast_keeps_the_mean_and_scales_the_deviation(channels):
    pixels = noise(50, channels, 90, 160)
    changed = augment(pixels, alone(contrast=0.4), SIZE, draws())
    torch.testing.assert_close(changed.mean(dim=(1, 2, 3)), (pixels / 255).mean(dim=(1, 2, 3)), atol=1e-5, rtol=0)
    factor = changed.std(dim=(1, 2, 3)) / (pixels / 255).std(dim=(1, 2, 3))
    assert 0.6 <= float(factor.min()) < 0.65
    assert 1.35 < float(factor.max()) <= 1.4


def test_dropping_colour_leaves_the_luma():
    pixels = noise(6)
    changed = augment(pixels, alone(greyscale=1.0), SIZE, draws())
    torch.testing.assert_close(changed, luma(pixels / 255)[:, None].expand_as(changed), atol=1e-4, rtol=0)


def test_full_saturation_range_scales_the_distance_from_grey():
    pixels = noise(40, low=100, high=150)
    changed = augment(pixels, alone(saturation=1.0), SIZE, draws())
    before, after = (x - luma(x)[:, None] for x in (pixels / 255, changed))
    factor = (after * before).sum(dim=(1, 2, 3)) / before.square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(after, factor.view(-1, 1, 1, 1) * before, atol=1e-4, rtol=0)
    assert 0 <= float(factor.min()) < 0.1
    assert 1.9 < float(factor.max()) <= 2


def test_a_turn_of_hue_moves_colour_and_leaves_luma():
    pixels = noise(12, low=100, high=150)
    changed = augment(pixels, alone(hue=0.5), SIZE, draws())
    torch.testing.assert_close(luma(changed), luma(pixels / 255), atol=1e-4, rtol=0)
    assert float((changed - pixels / 255).abs().max()) > 0.1


def test_hue_turns_as_far_as_its_share_of_the_circle():
    red = torch.tensor([180, 90, 90], dtype=torch.uint8).view(1, 3, 1, 1).expand(400, 3, SIZE, SIZE)
    plane = torch.tensor([[0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    turned = plane @ augment(red, alone(hue=0.25), SIZE, draws())[:, :, 0, 0].T
    start = plane @ torch.tensor([180.0, 90, 90])
    angle = (torch.atan2(turned[1], turned[0]) - torch.atan2(start[1], start[0])) * 180 / torch.pi
    assert 85 < float(angle.abs().max()) <= 90.1  # a quarter either way, as DALI's


def test_grey_is_grey_whatever_hue_and_saturation_do():
    pixels = noise(8, channels=1).expand(-1, 3, -1, -1)
    changed = augment(pixels, alone(hue=0.5, saturation=1.0, greyscale=0.5), SIZE, draws())
    torch.testing.assert_close(changed, pixels / 255, atol=1e-4, rtol=0)


def slow_blur(x: np.ndarray, sigma: float, radius: int) -> np.ndarray:
    """One channel, (s, s): the sum over a window of a two-dimensional Gaussian, mirrored at the border."""
    at = np.arange(-radius, radius + 1)
    kernel = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    padded = np.pad(x, radius, mode="reflect")
    side = 2 * radius + 1
    result = np.empty_like(x)
    for r, c in np.ndindex(x.shape):
        result[r, c] = (padded[r : r + side, c : c + side] * kernel).sum()
    return result


@pytest.mark.parametrize("size", [12, 8])
def test_blur_is_a_gaussian_window_for_some_and_nothing_for_others(size):
    x = torch.rand(6, 3, size, size, generator=draws(1))
    changed = blur(x, 0.5, draws(3))
    repeat = draws(3)
    sigmas = 0.1 + 1.9 * torch.rand(6, generator=repeat)
    chosen = torch.rand(6, generator=repeat) < 0.5
    assert 0 < int(chosen.sum()) < 6
    for image, sigma, is_chosen, result in zip(x, sigmas, chosen, changed, strict=True):
        for before, after in zip(image.double().numpy(), result.numpy(), strict=True):
            expected = slow_blur(before, float(sigma), min(4, (size - 1) // 2)) if is_chosen else before
            np.testing.assert_allclose(after, expected, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 1), st.integers(0, 1000))
def test_cutout_covers_one_rectangle_of_at_most_its_share_with_the_mean(largest, seed):
    x = torch.rand(8, 3, SIZE, SIZE, generator=draws(1))
    changed = cutout(x, largest, draws(seed))
    for before, after in zip(x, changed, strict=True):
        covered = (before != after).any(dim=0)
        rows = covered.any(dim=1)
        columns = covered.any(dim=0)
        assert torch.equal(covered, rows[:, None] & columns[None])
        side = largest**0.5 * SIZE + 1  # a pixel is covered where its centre is
        assert max(int(rows.sum()), int(columns.sum())) <= side
        assert bool((after[:, covered] == before.mean()).all())
        assert torch.equal(after[:, ~covered], before[:, ~covered])


def test_cutout_grows_to_its_share():
    x = torch.rand(300, 1, 32, 32, generator=draws(1))
    share = (cutout(x, 0.25, draws(2)) != x).float().mean(dim=(1, 2, 3))
    assert 0.2 < float(share.max()) <= 0.28


def test_results_stay_in_range():
    changed = augment(
        noise(30), Augment(brightness=1, contrast=1, saturation=1, hue=0.5, rotate=180, blur=1, cutout=1), SIZE, draws()
    )
    assert (float(changed.min()), float(changed.max())) == (0, 1)
