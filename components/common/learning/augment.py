"""Augment batches of images: parameters are drawn per image, and applied to the whole batch by tensor algebra.

torchvision's transforms draw one set of parameters for a batch, which is wrong for contrastive learning, and cost one
Python call per image where they are applied singly.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from components.common.settings import Augment

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class PartDraws(NamedTuple):
    """Draws for rows start..stop-1 of a batch of `whole` rows: those that these rows would get if all were changed."""

    generator: torch.Generator
    start: int
    stop: int
    whole: int


Draws = torch.Generator | PartDraws


def augment(pixels: Tensor, settings: Augment, size: int, draws: Draws) -> Tensor:
    """Augment `pixels`: uint8 (batch, channels, s, s) to float32 in 0..1 (batch, channels, size, size).

    draws: a CPU generator; the same state gives the same changes on every device.
    """
    x = pixels.float().div(255)
    x = warp(x, settings, size, draws)
    x = recolour(x, settings, draws)
    if settings.blur > 0:
        x = blur(x, settings.blur, draws)
    if settings.cutout > 0:
        x = cutout(x, settings.cutout, draws)
    return x.clamp(0, 1)


def uniform(batch: int, low: float, high: float, draws: Draws, device: torch.device) -> Tensor:
    return (low + (high - low) * _rand(batch, draws)).to(device)


def chance(batch: int, probability: float, draws: Draws, device: torch.device) -> Tensor:
    """Draw which images get a change: boolean (batch,)."""
    return (_rand(batch, draws) < probability).to(device)


def _rand(batch: int, draws: Draws) -> Tensor:
    if isinstance(draws, PartDraws):
        return torch.rand(draws.whole, generator=draws.generator)[draws.start : draws.stop]
    return torch.rand(batch, generator=draws)


def warp(x: Tensor, settings: Augment, size: int, draws: Draws) -> Tensor:
    """Crop, stretch, rotate and flip by one affine map per image, resampled once."""
    n = len(x)
    device = x.device
    area = uniform(n, settings.crop, 1, draws, device)
    reach = math.log(settings.aspect) if settings.crop < 1 else 0.0  # without a crop there is nothing to stretch
    stretch = uniform(n, -reach, reach, draws, device).exp()
    scale_x = (area * stretch).sqrt().clamp(max=1)
    scale_y = (area / stretch).sqrt().clamp(max=1)
    shift_x = uniform(n, -1, 1, draws, device) * (1 - scale_x)
    shift_y = uniform(n, -1, 1, draws, device) * (1 - scale_y)
    angle = uniform(n, -settings.rotate, settings.rotate, draws, device) * math.pi / 180
    mirror = 1 - 2 * chance(n, settings.flip_horizontal, draws, device).float()
    upend = 1 - 2 * chance(n, settings.flip_vertical, draws, device).float()
    cos = angle.cos()
    sin = angle.sin()
    theta = torch.stack(
        [
            torch.stack([scale_x * cos * mirror, -scale_y * sin * upend, shift_x], dim=1),
            torch.stack([scale_x * sin * mirror, scale_y * cos * upend, shift_y], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, [n, x.shape[1], size, size], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def recolour(x: Tensor, settings: Augment, draws: Draws) -> Tensor:
    """Change brightness, contrast, saturation and hue, or drop colour: one matrix and one offset per image."""
    n = len(x)
    device = x.device
    bright = 1 + uniform(n, -settings.brightness, settings.brightness, draws, device)
    contrast = 1 + uniform(n, -settings.contrast, settings.contrast, draws, device)
    mean = x.mean(dim=(1, 2, 3))
    offset = mean * bright * (1 - contrast)
    gain = bright * contrast
    if x.shape[1] == 1:
        return x * gain.view(-1, 1, 1, 1) + offset.view(-1, 1, 1, 1)
    saturation = 1 + uniform(n, -settings.saturation, settings.saturation, draws, device)
    saturation = torch.where(chance(n, settings.greyscale, draws, device), torch.zeros_like(saturation), saturation)
    turn = uniform(n, -settings.hue, settings.hue, draws, device) * 2 * math.pi
    matrix = gain.view(-1, 1, 1) * colour_matrix(saturation, turn)
    return torch.einsum("nij,njhw->nihw", matrix, x) + offset.view(-1, 1, 1, 1)


def colour_matrix(saturation: Tensor, turn: Tensor) -> Tensor:
    """(batch, 3, 3): turn the hue by `turn` radians in the plane of equal luma, and scale the distance from grey."""
    to_yiq = torch.tensor([LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)], device=turn.device)
    cos = saturation * turn.cos()
    sin = saturation * turn.sin()
    zero = torch.zeros_like(turn)
    one = torch.ones_like(turn)
    rotate = torch.stack(
        [torch.stack(row, 1) for row in ([one, zero, zero], [zero, cos, -sin], [zero, sin, cos])], dim=1
    )
    return torch.linalg.inv(to_yiq) @ rotate @ to_yiq


def blur(x: Tensor, probability: float, draws: Draws) -> Tensor:
    """Blur some images with a Gaussian, σ from 0.1 to 2 pixels as in SimCLR, by separable kernels of one image each."""
    n, channels, _, size = x.shape
    radius = min(4, (size - 1) // 2)
    sigma = uniform(n, 0.1, 2.0, draws, x.device)
    sigma = torch.where(chance(n, probability, draws, x.device), sigma, torch.full_like(sigma, 1e-3))
    at = torch.arange(-radius, radius + 1, device=x.device)
    kernel = torch.softmax(-0.5 * (at[None] / sigma[:, None]) ** 2, dim=1).repeat_interleave(channels, 0)
    flat = x.reshape(1, n * channels, size, size)
    for shape, pad in (((1, -1), (radius, radius, 0, 0)), ((-1, 1), (0, 0, radius, radius))):
        weight = kernel.view(n * channels, 1, *(2 * radius + 1 if s == -1 else 1 for s in shape))
        flat = F.conv2d(F.pad(flat, pad, mode="reflect"), weight, groups=n * channels)
    return flat.reshape(x.shape)


def cutout(x: Tensor, largest: float, draws: Draws) -> Tensor:
    """Cover a square of random place and of up to `largest` of the area with the image's mean (DeVries and Taylor
    2017).
    """
    n, _, height, width = x.shape
    device = x.device
    half = (uniform(n, 0, largest, draws, device)).sqrt() / 2
    centre_y = uniform(n, 0, 1, draws, device)
    centre_x = uniform(n, 0, 1, draws, device)
    y = ((torch.arange(height, device=device) + 0.5) / height)[None, :, None]
    x_at = ((torch.arange(width, device=device) + 0.5) / width)[None, None, :]
    covered = ((y - centre_y.view(-1, 1, 1)).abs() < half.view(-1, 1, 1)) & (
        (x_at - centre_x.view(-1, 1, 1)).abs() < half.view(-1, 1, 1)
    )
    return torch.where(covered[:, None], x.mean(dim=(1, 2, 3), keepdim=True), x)
