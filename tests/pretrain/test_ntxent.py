"""NT-Xent, spread and the neighbours' vote against slow loops and closed forms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from components.pretrain.ntxent import knn_accuracy, nt_xent, spread

cases = settings(max_examples=30, deadline=None)


def views(n: int, features: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, features, generator=generator), torch.randn(n, features, generator=generator)


def slow_nt_xent(z0: Tensor, z1: Tensor, temperature: float) -> float:
    z = [row.double() / row.double().norm() for row in [*z0, *z1]]
    n = len(z0)
    total = 0.0
    for i in range(2 * n):
        others = sum(math.exp(float(z[i] @ z[k]) / temperature) for k in range(2 * n) if k != i)
        total -= math.log(math.exp(float(z[i] @ z[(i + n) % (2 * n)]) / temperature) / others)
    return total / (2 * n)


@cases
@given(st.integers(1, 8), st.integers(1, 6), st.floats(0.1, 2), st.integers(0, 99))
def test_the_loss_is_the_papers_double_loop(n, features, temperature, seed):
    z0, z1 = views(n, features, seed)
    assert float(nt_xent(z0, z1, temperature)) == pytest.approx(slow_nt_xent(z0, z1, temperature), abs=1e-4)


@pytest.mark.parametrize("n", [2, 5, 16])
@pytest.mark.parametrize("temperature", [0.2, 0.5, 1.0])
def test_identical_views_that_share_nothing_cost_only_the_negatives(n, temperature):
    z = torch.eye(n)
    assert float(nt_xent(z, z, temperature)) == pytest.approx(
        math.log(1 + (2 * n - 2) * math.exp(-1 / temperature)), rel=1e-5
    )


def test_on_one_point_all_others_are_as_near_as_the_positive():
    z = torch.ones(6, 3)
    assert float(nt_xent(z, z, 0.1)) == pytest.approx(math.log(11), rel=1e-5)


@cases
@given(st.integers(2, 8), st.integers(0, 99))
def test_views_may_be_swapped_images_shuffled_and_lengths_changed(n, seed):
    z0, z1 = views(n, 4, seed)
    loss = float(nt_xent(z0, z1, 0.3))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert float(nt_xent(z1, z0, 0.3)) == pytest.approx(loss, abs=1e-5)
    assert float(nt_xent(z0[order], z1[order], 0.3)) == pytest.approx(loss, abs=1e-5)
    assert float(nt_xent(3 * z0, z1 / 7, 0.3)) == pytest.approx(loss, abs=1e-5)


def test_the_gradient_is_the_slope_of_the_double_loop():
    z0, z1 = views(4, 3, 0)
    z0.requires_grad_()
    nt_xent(z0, z1, 0.5).backward()
    assert z0.grad is not None
    for i in range(4):
        for j in range(3):
            step = torch.zeros(4, 3, dtype=torch.float64)
            step[i, j] = 1e-5
            at = z0.detach().double()
            slope = (slow_nt_xent(at + step, z1, 0.5) - slow_nt_xent(at - step, z1, 0.5)) / 2e-5
            assert float(z0.grad[i, j]) == pytest.approx(slope, abs=1e-4)


def test_half_precision_is_computed_in_full():
    z0, z1 = views(8, 16, 1)
    assert nt_xent(z0.bfloat16(), z1.bfloat16(), 0.1).dtype == torch.float32


def test_spread_is_nothing_on_a_point_and_all_on_opposites():
    assert spread(torch.ones(7, 5)) == pytest.approx(0, abs=1e-6)
    assert spread(torch.tensor([[1.0, 0], [5, 0], [0.1, 0]])) == pytest.approx(0, abs=1e-6)  # lengths do not count
    assert spread(torch.tensor([[3.0, 0], [-0.5, 0]])) == pytest.approx(1)
    assert spread(torch.eye(10)) == pytest.approx(1 - 1 / 10)


@cases
@given(st.integers(2, 40), st.integers(1, 4), st.integers(1, 12), st.integers(0, 99))
def test_neighbours_vote_as_a_slow_loop_does(n, classes, k, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    labels = rng.integers(0, classes, n)
    right = 0
    for i in range(n):
        others = sorted((j for j in range(n) if j != i), key=lambda j: (-float(x[i] @ x[j]), j))[:k]
        votes = [int(labels[j]) for j in others]
        right += max(set(votes), key=lambda c: (votes.count(c), -c)) == labels[i]
    assert knn_accuracy(x, labels, k) == right / n


def test_an_image_never_votes_for_itself():
    x = np.array([[1, 0], [0.8, 0.6], [0, 1], [-0.6, 0.8]])  # each one's nearest other is of the other class
    assert knn_accuracy(x, np.array([0, 1, 0, 1]), 1) == 0
    assert knn_accuracy(np.repeat(x, 2, axis=0), np.repeat([0, 1, 0, 1], 2), 1) == 1  # but its twin does
