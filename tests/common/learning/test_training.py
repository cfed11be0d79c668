"""Schedules, averages, seeds and checkpoints, each against its closed form or a plain loop."""

import json
import math
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from components.common.learning.training import (
    Average,
    adamw,
    initialise,
    load_checkpoint,
    precision_name,
    precision_of,
    save_checkpoint,
    set_rate,
    set_threads,
    warmup_cosine,
)
from components.common.seeding import seeded
from components.common.storage import FolderStore, open_store

KEY = "checkpoints/pretrain/x.safetensors"


def network(seed: int = 0) -> nn.Module:
    return initialise(
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2)), seed
    )


def teach(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    model.train()
    for step in steps:
        set_rate(optimizer, 0.01 / (step + 1))
        x = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()


def state(model: nn.Module) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def test_the_rate_rises_in_a_line_and_falls_in_half_a_cosine():
    rates = [warmup_cosine(step, 110, 10, 2.0) for step in range(111)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[10] == 2.0
    assert rates[60] == pytest.approx(1.0)  # half way down
    assert rates[35] == pytest.approx(1 + math.sqrt(0.5))
    assert rates[110] == pytest.approx(0)


@given(st.integers(1, 300), st.integers(0, 300), st.floats(1e-6, 10))
def test_the_rate_stays_between_nothing_and_its_peak(steps, warmup, peak):
    rates = [warmup_cosine(step, steps, warmup, peak) for step in range(steps)]
    assert all(0 <= rate <= peak * (1 + 1e-12) for rate in rates)
    assert all(a >= b for a, b in zip(rates[warmup:], rates[warmup + 1 :], strict=False))


def test_the_average_is_the_slow_sum():
    model = network()
    rng = np.random.default_rng(0)
    average = Average(model, 0.6)
    expected = {name: tensor.double().clone() for name, tensor in model.state_dict().items()}
    for step in range(20):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
            model.get_buffer("1.running_mean").add_(1)
            model.get_buffer("1.num_batches_tracked").add_(1)
        average.update(model, step)
        decay = min(0.6, (1 + step) / (10 + step))
        for name, tensor in model.state_dict().items():
            expected[name] = (
                decay * expected[name] + (1 - decay) * tensor.double()
                if tensor.is_floating_point()
                else tensor.double()
            )
    for name, tensor in average.network.state_dict().items():
        torch.testing.assert_close(tensor.double(), expected[name], atol=1e-5, rtol=1e-5)
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def test_an_average_of_what_does_not_move_is_that():
    model = network()
    average = Average(model, 0.99)
    for step in range(5):
        average.update(model, step)
    assert state(average.network) == state(model)


def test_only_kernels_and_matrices_decay():
    model = network()
    optimizer = adamw(model, 0.5)
    before = deepcopy(model)
    set_rate(optimizer, 0.1)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for old, new in zip(before.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(new, old * (1 - 0.1 * 0.5) if old.ndim > 1 else old)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))


def test_a_seed_and_a_purpose_name_the_draws():
    def both(seed: int, purpose: str) -> tuple[float, float]:
        numbers, tensors = seeded(seed, purpose)
        return float(numbers.random()), float(torch.rand(1, generator=tensors))

    assert both(3, "order 1") == both(3, "order 1")
    draws = [both(seed, purpose) for seed in range(4) for purpose in ("order 1", "order 2", "views 1", "1 order")]
    assert len(set(draws)) == 16
    assert len({tensor for _, tensor in draws}) == 16


def test_nothing_drawn_elsewhere_changes_initial_weights_and_they_change_nothing_elsewhere():
    torch.manual_seed(5)
    one = network(1)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), drawn)
    assert state(network(1)) == state(one) != state(network(2))


def test_a_checkpoint_holds_all_that_a_loop_needs(tmp_path):
    store = open_store(str(tmp_path / "store"))
    straight = network()
    broken = network()
    teach(straight, adamw(straight, 0.1), range(6))
    optimizer = adamw(broken, 0.1)
    teach(broken, optimizer, range(3))
    save_checkpoint(store, KEY, broken, optimizer, 3, '[{"loss": "1,5 ε"}]')

    resumed = network(9)
    optimizer = adamw(resumed, 0.1)
    assert load_checkpoint(store, KEY, resumed, optimizer) == (3, '[{"loss": "1,5 ε"}]')
    assert state(resumed) == state(broken)
    teach(resumed, optimizer, range(3, 6))
    assert state(resumed) == state(straight)


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    model = network()
    before = state(model)
    assert load_checkpoint(open_store(str(tmp_path)), KEY, model, adamw(model, 0)) is None
    assert state(model) == before


def test_a_checkpoint_is_one_safetensors_object(tmp_path):
    model = network()
    optimizer = adamw(model, 0)
    teach(model, optimizer, range(1))
    save_checkpoint(FolderStore(tmp_path), KEY, model, optimizer, 1, "")
    body = (tmp_path / KEY).read_bytes()
    header = json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])
    assert {name.split(".")[0] for name in header} == {"__metadata__", "network", "optimizer"}
    assert header["__metadata__"]["done"] == "1"
    assert [path.name for path in (tmp_path / KEY).parent.iterdir()] == [Path(KEY).name]


def test_a_step_before_saving_is_not_needed(tmp_path):
    model = network()
    save_checkpoint(FolderStore(tmp_path), KEY, model, adamw(model, 0), 0, "")
    assert load_checkpoint(FolderStore(tmp_path), KEY, network(3), adamw(model, 0)) == (0, "")


def test_precision_is_what_was_chosen_or_what_the_processor_has():
    assert precision_of("float32") is torch.float32
    assert precision_of("bfloat16") is torch.bfloat16
    assert precision_name("auto") in ("float32", "bfloat16")


def test_threads_are_set():
    before = torch.get_num_threads()
    try:
        set_threads(2)
        assert torch.get_num_threads() == 2
    finally:
        set_threads(before)
