"""Bytes of networks against closed forms, and stages that say beforehand that they will not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from components.common import memory
from components.common.artifacts import TRAIN, ModelSpec
from components.common.errors import BadInputError
from components.common.learning import footprint
from components.common.learning.footprint import BESIDE, Count, added, count, either, inference, training
from components.common.learning.models import build_encoder
from components.common.memory import Need
from components.pretrain.needs import decoded_bytes, needed
from components.pretrain.settings import PretrainSettings
from tests import stages, tiny

MIB = 1 << 20
THERE = 1 << 30  # bytes that the process is said to hold


def linear() -> nn.Module:
    return nn.Sequential(nn.Linear(10, 20, bias=False), nn.ReLU(), nn.Linear(20, 5, bias=False))


def test_a_step_of_two_layers_saves_their_inputs():
    """The first layer's input, and ReLU's output, which is the second's input: batch x (10 + 20) numbers."""
    assert count(linear, (8, 1, 1, 10)) == Count((200 + 100) * 4, 8 * (10 + 20) * 4, 8 * 20 * 4)
    assert count(linear, (8, 1, 1, 10), torch.bfloat16) == Count((200 + 100) * 4, 8 * (10 + 20) * 2, 8 * 20 * 2)


def test_batch_normalisation_saves_the_convolution_and_its_statistics():
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))

    counted = count(build, (2, 3, 8, 8))
    assert counted.weights == (3 * 4 * 9 + 4 * 4) * 4 + 8  # 8: the number of batches seen, int64
    image = 2 * 64 * 4  # bytes of a channel of the batch
    assert counted.saved == (3 + 4 + 4) * image + 2 * 4 * 4  # input, convolution, ReLU's output, mean and scale


def test_counting_agrees_with_what_a_real_step_saves():
    spec = ModelSpec("resnet9", 4, "3x3", 16, "RGB", (0.0,), (1.0,))
    network = build_encoder(spec).train()
    own = {tensor.data_ptr() for tensor in network.state_dict().values()}
    saved: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.rand(6, 3, 16, 16))
    real = sum(t.untyped_storage().nbytes() for at, t in saved.items() if at not in own)
    assert count(lambda: build_encoder(spec), (6, 3, 16, 16)).saved == pytest.approx(real, rel=0.02)


def test_training_holds_weights_gradients_and_two_moments():
    assert training(Count(100, 7, 5)) == Need(407, 407 + 100 + 5 + BESIDE)
    assert training(Count(100, 7, 5), copies=3).sure == 307


def test_a_forward_pass_holds_the_largest_layers_input_and_output():
    assert inference(linear, (8, 1, 1, 10)).sure == 8 * 10 * 4 + 8 * (20 + 20) * 4


def test_on_a_gpu_only_what_is_in_the_machine_counts(monkeypatch):
    monkeypatch.setattr(footprint, "device", lambda: torch.device("cuda"))
    assert training(Count(100, 7, 5)) == inference(linear, (8, 1, 1, 10)) == Need(0, 0)


def test_needs_add_up_or_come_one_after_the_other():
    assert added(10, Need(1, 2), Need(3, 4)) == Need(14, 16)
    assert either(Need(1, 9), Need(3, 4)) == Need(3, 9)


def test_dali_decodes_whole_pictures_and_torch_does_not(tiny_world, monkeypatch):
    monkeypatch.setattr(memory, "held", lambda: THERE)
    pool = tiny_world.data.rows(TRAIN)
    settings = PretrainSettings(architecture="resnet9", width=4, image_size=8, batch_size=64, loader="dali")
    assert decoded_bytes(tiny_world.data, pool, settings) == 64 * 8 * 8
    plain = settings.model_copy(update={"loader": "torch"})
    torchs, dalis = (needed(tiny_world.data, pool, each) for each in (plain, settings))
    assert dalis.sure - torchs.sure == 64 * 8 * 8
    assert THERE < torchs.sure < torchs.likely


def test_where_dali_is_the_loader_the_other_is_named(tiny_world, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "held", lambda: THERE)
    monkeypatch.setattr(memory, "limit", lambda: THERE)
    with pytest.raises(
        BadInputError, match=r"image_size \(8\), take pretrain.loader: torch, which .*, or raise resources"
    ):
        stages.pretrain(tiny_world, tmp_path, loader="dali")


STAGES: dict[str, Callable[[tiny.World, Path], Any]] = {
    "pretrain": stages.pretrain,
    "sample": stages.sample,
    "warmup": stages.warmup,
    "pseudolabel": stages.pseudolabel,
    "calibrate": tiny.evaluated,
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_cannot_fit_ends_at_once_in_one_line(tiny_world, tmp_path, monkeypatch, stage):
    monkeypatch.setattr(memory, "held", lambda: THERE)
    monkeypatch.setattr(memory, "limit", lambda: THERE)
    with pytest.raises(BadInputError) as refused:
        STAGES[stage](tiny_world, tmp_path / "out")
    line = str(refused.value)
    assert line.startswith("needs at least 1.0 GiB of memory, and its limit is 1.0 GiB; lower ")
    assert line.endswith(f"pretrain.image_size (8), or raise resources.{stage}.memory")
    assert "\n" not in line
    assert not any(
        (tmp_path / "out" / name).exists() for name in ("encoder", "classifier", "embeddings", "calibration")
    )


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_may_not_fit_says_so_and_goes_on(tiny_world, tmp_path, monkeypatch, capfd, stage):
    monkeypatch.setattr(memory, "held", lambda: THERE)
    monkeypatch.setattr(memory, "limit", lambda: THERE + 100 * MIB)
    STAGES[stage](tiny_world, tmp_path / "out")
    said = [line for line in capfd.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert said[0].startswith(
        f"warning: {stage} may be killed: it needs about 1.1 GiB of memory, and its limit is 1.1 GiB"
    )
