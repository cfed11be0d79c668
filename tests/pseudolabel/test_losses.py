"""The pieces of the loss against their closed forms, for any numbers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from components.pseudolabel.losses import align, mixup, partners, sharpen, unlabelled_weight

cases = settings(max_examples=40, deadline=None)


def random_probabilities(n: int, classes: int, seed: int) -> Tensor:
    return (2 * torch.randn(n, classes, generator=torch.Generator().manual_seed(seed))).softmax(dim=1)


@pytest.mark.parametrize(
    ("step", "weight"), [(0, 0), (99, 0), (100, 0), (250, 0.75), (400, 1.5), (550, 2.25), (700, 3), (10_000, 3)]
)
def test_the_weight_is_nothing_to_t1_and_rises_in_a_line_to_t2(step, weight):
    assert unlabelled_weight(step, 100, 700, 3.0) == pytest.approx(weight)


def test_without_a_ramp_the_weight_jumps():
    assert [unlabelled_weight(step, 5, 5, 2.0) for step in (4, 5, 6)] == [0, 2, 2]
    assert unlabelled_weight(0, 0, 0, 2.0) == 2


@cases
@given(st.integers(1, 6), st.integers(2, 5), st.floats(0.1, 1), st.integers(0, 99))
def test_sharpening_is_a_power_that_keeps_the_order(n, classes, temperature, seed):
    p = random_probabilities(n, classes, seed)
    q = sharpen(p, temperature)
    for before, after in zip(p.tolist(), q.tolist(), strict=True):
        total = sum(value ** (1 / temperature) for value in before)
        assert after == pytest.approx([value ** (1 / temperature) / total for value in before], abs=1e-5)
    assert torch.equal(p.argmax(dim=1), q.argmax(dim=1))
    assert bool((q.max(dim=1).values >= p.max(dim=1).values - 1e-6).all())


def test_sharpening_by_one_is_nothing_and_by_little_is_a_choice():
    p = torch.tensor([[0.2, 0.5, 0.3]])
    torch.testing.assert_close(sharpen(p, 1.0), p)
    torch.testing.assert_close(sharpen(p, 0.5), torch.tensor([[0.04, 0.25, 0.09]]) / 0.38)
    torch.testing.assert_close(sharpen(p, 0.01), torch.tensor([[0.0, 1, 0]]))
    torch.testing.assert_close(sharpen(torch.full((1, 4), 0.25), 0.1), torch.full((1, 4), 0.25))


def test_alignment_divides_by_what_was_guessed_and_multiplies_by_what_is_expected():
    p = torch.tensor([[0.6, 0.4]])
    expected = torch.tensor([0.5, 0.5])
    running = torch.tensor([0.75, 0.25])
    torch.testing.assert_close(align(p, expected, running), torch.tensor([[0.4, 0.8]]) / 1.2)


@cases
@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 99))
def test_guesses_that_come_as_expected_stay_as_they_are(n, classes, seed):
    p = random_probabilities(n, classes, seed)
    expected = random_probabilities(1, classes, seed + 1)[0]
    torch.testing.assert_close(align(p, expected, expected), p)
    torch.testing.assert_close(
        align(p, expected, random_probabilities(1, classes, seed + 2)[0]).sum(dim=1), torch.ones(n)
    )


def test_a_class_that_was_never_guessed_does_not_divide_by_nothing():
    assert torch.isfinite(align(torch.tensor([[1.0, 0]]), torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0]))).all()


def test_mixup_is_the_convex_combination_of_both():
    x = torch.rand(3, 2, 4, 4)
    targets = random_probabilities(3, 5, 0)
    share = torch.tensor([1.0, 0.75, 0.5])
    partner = torch.tensor([2, 0, 0])
    mixed, soft = mixup(x, targets, share, partner)
    for i, (own, other) in enumerate(zip(share.tolist(), partner.tolist(), strict=True)):
        torch.testing.assert_close(mixed[i], own * x[i] + (1 - own) * x[other])
        torch.testing.assert_close(soft[i], own * targets[i] + (1 - own) * targets[other])
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(3))


@cases
@given(st.lists(st.booleans(), max_size=40), st.integers(0, 99))
def test_partners_are_drawn_among_those_that_teach(teaches, seed):
    flags = torch.tensor(teaches, dtype=torch.bool)
    chosen = partners(flags, torch.Generator().manual_seed(seed))
    assert torch.equal(chosen, partners(flags, torch.Generator().manual_seed(seed)))
    assert sorted(chosen.tolist()) == list(range(len(teaches)))
    for i, teacher in enumerate(teaches):
        assert teaches[chosen[i]] if teacher else int(chosen[i]) == i
