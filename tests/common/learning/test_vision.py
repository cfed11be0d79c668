"""torchvision's networks build and run beside whatever torch is installed."""

from dataclasses import replace

import pytest
import torch

from components.common.learning.models import build_encoder
from components.common.learning.vision import torchvision
from tests import tiny


def test_asked_twice_it_is_the_same_module():
    assert torchvision() is torchvision()
    assert torchvision().models.get_weight("ResNet18_Weights.IMAGENET1K_V1").url


@pytest.mark.parametrize("stem", ["3x3", "7x7"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_resnet18_runs_with_either_stem_on_grey_and_colour(stem, mode):
    spec = replace(tiny.SPEC, architecture="resnet18", stem=stem, mode=mode)
    encoder = build_encoder(spec).eval()
    with torch.no_grad():
        assert encoder(torch.rand(2, spec.channels, 32, 32)).shape == (2, 512)
        assert encoder.features == 512
        # A 3x3 stem keeps the resolution, a 7x7 one quarters it before the first block.
        kept = encoder.get_submodule("maxpool")(encoder.get_submodule("conv1")(torch.rand(1, spec.channels, 32, 32)))
    assert kept.shape[-1] == (32 if stem == "3x3" else 8)
