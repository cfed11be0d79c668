"""Networks are what their spec says, weights go where they belong, and a head reads directions."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.common.artifacts import ModelSpec, load_about, save_about
from components.common.errors import BadInputError
from components.common.learning.models import (
    Classifier,
    build_encoder,
    load_classifier,
    load_encoder,
    load_weights,
    normalise,
    save_weights,
)
from tests import tiny

RGB = ModelSpec("resnet9", 2, "3x3", 8, "RGB", (0.5, 0.25, 0.75), (0.1, 0.2, 0.4))
statistics = st.floats(0.001, 1)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["resnet9", "resnet18", "resnet50"]),
    st.integers(1, 64),
    st.sampled_from(["3x3", "7x7"]),
    st.integers(8, 1024),
    st.sampled_from([("L", 1), ("RGB", 3)]),
    st.data(),
)
def test_a_spec_survives_its_file(tmp_path_factory, architecture, width, stem, size, mode, data):
    triples = st.tuples(*[statistics] * mode[1])
    spec = ModelSpec(architecture, width, stem, size, mode[0], data.draw(triples), data.draw(triples))
    folder = tmp_path_factory.getbasetemp()
    save_about(folder, "encoder", spec, seed=7)
    assert load_about(folder, "encoder")[0] == spec
    assert spec.channels == mode[1]


@pytest.mark.parametrize("size", [8, 28])
@pytest.mark.parametrize("spec", [tiny.SPEC, RGB])
def test_resnet9_returns_eight_times_its_width_at_any_size(spec, size):
    encoder = build_encoder(spec).eval()
    assert encoder.features == 8 * spec.width
    assert encoder(torch.rand(3, spec.channels, size, size)).shape == (3, 8 * spec.width)


def test_an_artifact_gives_the_same_network_again(tmp_path):
    network = build_encoder(RGB).eval()
    save_weights(tmp_path / "encoder.safetensors", network)
    save_about(tmp_path, "encoder", RGB, figures={"loss": 1.5})
    loaded, spec, about = load_encoder(tmp_path)
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(loaded(x), network(x))
    assert (spec, about["figures"], loaded.training) == (RGB, {"loss": 1.5}, False)


def test_a_classifier_comes_back_with_its_classes(tiny_world):
    model, spec, about = load_classifier(tiny_world.classifier)
    assert (model.head.out_features, spec, model.training) == (len(about["classes"]), tiny.SPEC, False)


@pytest.mark.parametrize(
    "other", [replace(RGB, width=3), replace(RGB, mode="L"), replace(RGB, architecture="resnet18")]
)
def test_weights_of_another_network_are_refused_in_one_line_that_says_what_differs(tmp_path, other):
    save_weights(tmp_path / "w.safetensors", build_encoder(RGB))
    with pytest.raises(
        BadInputError, match=r"w\.safetensors: .* not the weights of this network \(.*(size mismatch|Missing key)"
    ) as error:
        load_weights(tmp_path / "w.safetensors", build_encoder(other))
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_safetensors_is_refused_not_unpickled(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "w.safetensors")
    with pytest.raises(BadInputError, match="not the weights"):
        load_weights(tmp_path / "w.safetensors", build_encoder(RGB))


def test_the_head_sees_directions_only():
    class Scaled(torch.nn.Module):
        features = 4

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    model = Classifier(Scaled(), 3)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(x), model(x * torch.tensor([[0.1], [2], [30], [400], [1]])))
    unit = x / x.square().sum(dim=1, keepdim=True).sqrt()
    torch.testing.assert_close(model(x), unit * math.sqrt(4) @ model.head.weight.T + model.head.bias)
    torch.testing.assert_close(model(x), model.head_logits(unit))


def test_normalise_is_mean_and_deviation_per_channel():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = torch.tensor([(0 - 0.5) / 0.1, (0.2 - 0.25) / 0.2, (1 - 0.75) / 0.4]).view(1, 3, 1, 1)
    torch.testing.assert_close(normalise(pixels, RGB), expected)
    torch.testing.assert_close(normalise(pixels.float() / 255, RGB), expected)
