"""Where an encoder starts: statistics of the train split, adapted ImageNet weights, or a file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from components.common.artifacts import TRAIN
from components.common.errors import BadInputError
from components.common.learning.loading import Images
from components.common.learning.models import build_encoder, save_weights
from components.common.storage import open_store
from components.pretrain.initial import adapt, channel_statistics, initial_encoder, statistics_beside
from components.pretrain.settings import PretrainSettings
from tests import tiny

IMAGENET = replace(tiny.SPEC, architecture="resnet18", stem="7x7", mode="RGB")


def images(world: tiny.World) -> Images:
    return Images(world.data, open_store(world.store), "L", 8, 1)


def start(world: tiny.World, init: str, **changes: object) -> tuple[torch.nn.Module, object]:
    settings = PretrainSettings.model_validate(
        {"architecture": "resnet9", "width": 4, "image_size": 8, "init": init, **changes}
    )
    return initial_encoder(world.data, images(world), settings, 0)


def weights(network: torch.nn.Module) -> list[bytes]:
    return [tensor.detach().contiguous().numpy().tobytes() for tensor in network.state_dict().values()]


def test_statistics_are_those_of_the_train_split(tiny_world):
    pixels = images(tiny_world).batch(tiny_world.data.rows(TRAIN)).numpy() / 255
    mean, std = channel_statistics(tiny_world.data, images(tiny_world), 0)
    assert mean == pytest.approx([pixels.mean()], abs=1e-6)
    assert std == pytest.approx([pixels.std(ddof=1)], abs=1e-6)


def test_images_of_one_tone_do_not_divide_by_nothing(tmp_path):
    flat = np.full((12, 8, 8), 100, np.uint8) + np.arange(12, dtype=np.uint8)[:, None, None] * 0
    flat[:, 0, 0] = np.arange(12)
    data, _ = tiny.dataset(tmp_path, str(tmp_path / "store"), flat, np.array(["a"] * 12))
    assert channel_statistics(data, Images(data, open_store(str(tmp_path / "store")), "L", 8, 1), 0)[1][0] >= 1e-3


def test_random_weights_follow_from_the_seed(tiny_world):
    (one, spec) = start(tiny_world, "random")
    (again, _) = start(tiny_world, "random")
    assert weights(one) == weights(again)
    other = initial_encoder(
        tiny_world.data, images(tiny_world), PretrainSettings(architecture="resnet9", width=4, image_size=8), 1
    )[0]
    assert weights(one) != weights(other)
    assert spec.architecture == "resnet9"  # type: ignore[attr-defined]


def with_head(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As torchvision keeps them: copies of the weights, and the thousand classes."""
    return {
        **{name: tensor.clone() for name, tensor in state.items()},
        "fc.weight": torch.ones(1000, 512),
        "fc.bias": torch.ones(1000),
    }


@pytest.mark.parametrize("stem", ["3x3", "7x7"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_imagenet_weights_fit_every_stem_and_mode(stem, mode):
    full = build_encoder(IMAGENET).state_dict()
    spec = replace(IMAGENET, stem=stem, mode=mode)
    state = with_head(full)
    adapt(state, spec)
    build_encoder(spec).load_state_dict(state)
    kernel = full["conv1.weight"][:, :, 2:5, 2:5] if stem == "3x3" else full["conv1.weight"]
    torch.testing.assert_close(state["conv1.weight"], kernel if mode == "RGB" else kernel.sum(dim=1, keepdim=True))


def test_a_grey_image_gives_the_adapted_stem_what_its_colour_copy_gave():
    colour = build_encoder(IMAGENET)
    state = with_head(colour.state_dict())
    adapt(state, replace(IMAGENET, mode="L"))
    grey = build_encoder(replace(IMAGENET, mode="L"))
    grey.load_state_dict(state)
    x = torch.rand(2, 1, 32, 32)
    stems = [network.get_submodule("conv1") for network in (grey, colour)]
    torch.testing.assert_close(stems[0](x), stems[1](x.expand(-1, 3, -1, -1)), atol=1e-5, rtol=1e-4)


def test_a_file_of_an_earlier_encoder_is_taken_as_it_is(tiny_world, tmp_path, monkeypatch):
    network = start(tiny_world, "random")[0]
    save_weights(tmp_path / "encoder.safetensors", network)
    assert weights(start(tiny_world, str(tmp_path / "encoder.safetensors"), epochs=0)[0]) == weights(network)
    monkeypatch.chdir(tmp_path)
    assert weights(start(tiny_world, "encoder.safetensors")[0]) == weights(network)


def test_a_file_in_an_object_store_is_read_by_its_uri(tiny_world, s3_bucket, tmp_path):
    network = start(tiny_world, "random")[0]
    save_weights(tmp_path / "encoder.safetensors", network)
    open_store(s3_bucket).write("old/encoder.safetensors", (tmp_path / "encoder.safetensors").read_bytes())
    assert weights(start(tiny_world, f"{s3_bucket}/old/encoder.safetensors")[0]) == weights(network)


@pytest.mark.parametrize(
    ("init", "changes", "said"),
    [
        (
            "IMAGENET1K_V9",
            {"architecture": "resnet18"},
            r"'ResNet18_Weights.IMAGENET1K_V9'; expected random, IMAGENET1K_V1, or a .safetensors",
        ),
        (
            "IMAGENET1K_V1",
            {"architecture": "resnet9"},
            r"no .*'IMAGENET1K_V1' for resnet9; expected init: random, or architecture: resnet18",
        ),
        (
            "nowhere/x.safetensors",
            {},
            r"nowhere/x.safetensors does not exist; expected an encoder.safetensors that `pretrain` wrote",
        ),
        ("FILE", {"width": 5}, r"encoder.safetensors: these are not the weights of this network \(size mismatch"),
    ],
)
def test_what_cannot_be_loaded_is_one_line_that_says_what_can(tiny_world, tmp_path, init, changes, said):
    if init == "FILE":
        init = str(tmp_path / "encoder.safetensors")
        save_weights(Path(init), start(tiny_world, "random")[0])
    with pytest.raises(BadInputError, match=said) as error:
        start(tiny_world, init, **changes)
    assert str(error.value).startswith("pretrain.init: ")
    assert str(tmp_path) in str(error.value) or "FILE" not in init
    assert "\n" not in str(error.value)


def test_a_file_brings_the_statistics_it_was_trained_with(tmp_path):
    (tmp_path / "encoder.json").write_text('{"model": {"mode": "L", "mean": [0.5], "std": [0.25]}}')
    init = str(tmp_path / "encoder.safetensors")
    assert statistics_beside(init, "L") == ((0.5,), (0.25,))
    assert statistics_beside(init, "RGB") is None
    assert statistics_beside(str(tmp_path / "elsewhere" / "encoder.safetensors"), "L") is None
    assert statistics_beside("random", "L") is None
