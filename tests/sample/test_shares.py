"""Budgets divided: against slow obvious readings of the rules, and closed forms."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.sample.shares import even_out, split_budget

shares = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 100).map(lambda n: n / 100), min_size=1)


@pytest.mark.parametrize(
    ("budget", "wanted", "picks"),
    [
        (20, {"typiclust": 0.8, "random": 0.2}, {"typiclust": 16, "random": 4}),
        (20, {"typiclust": 8, "random": 2}, {"typiclust": 16, "random": 4}),
        (10, {"a": 0.7, "b": 0.2, "c": 0.1}, {"a": 7, "b": 2, "c": 1}),
        (10, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, {"a": 4, "b": 3, "c": 3}),
        (7, {"a": 0.5, "b": 0.5}, {"a": 4, "b": 3}),
        (3, {"a": 0.98, "b": 0.01, "c": 0.01}, {"a": 1, "b": 1, "c": 1}),
        (2, {"a": 0.98, "b": 0.01, "c": 0.01}, {"a": 2, "b": 0, "c": 0}),
        (1, {"a": 0.5, "b": 0.5}, {"a": 1, "b": 0}),
        (0, {"a": 0.5, "b": 0.5}, {"a": 0, "b": 0}),
    ],
)
def test_a_budget_is_split_by_largest_remainders(budget, wanted, picks):
    assert split_budget(budget, wanted) == picks
    assert list(split_budget(budget, wanted)) == list(wanted)


@given(st.integers(0, 500), shares)
def test_every_split_adds_up_and_is_off_by_less_than_a_pick(budget, wanted):
    picks = split_budget(budget, wanted)
    assert sum(picks.values()) == budget
    assert min(picks.values()) >= (budget >= len(wanted))
    exact = {name: Fraction(share).limit_denominator(1000) for name, share in wanted.items()}
    due = {name: budget * share / sum(exact.values()) for name, share in exact.items()}
    if min(due.values()) >= 1:
        assert all(abs(picks[name] - due[name]) < 1 for name in wanted)


def test_nothing_is_split_by_nothing():
    with pytest.raises(ValueError, match="cannot be split"):
        split_budget(3, {})


@pytest.mark.parametrize(
    ("budget", "have", "room", "order"),
    [
        (4, [0, 0], [9, 9], [0, 1, 0, 1]),
        (4, [3, 0], [9, 9], [1, 1, 1, 0]),
        (3, [0, 0, 0], [9, 2, 5], [1, 2, 0]),  # the rarer one first
        (6, [0, 0], [9, 1], [1, 0, 0, 0, 0, 0]),  # what one cannot fill goes to the other
        (6, [0, 0], [2, 1], [1, 0, 0]),
        (3, [], [], []),
    ],
)
def test_labels_come_out_even(budget, have, room, order):
    assert even_out(budget, have, room) == order


@given(st.integers(0, 40), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=6))
def test_no_other_division_is_more_even(budget, classes):
    have, room = [count for count, _ in classes], [space for _, space in classes]
    order = even_out(budget, have, room)
    assert len(order) == min(budget, sum(room))
    got = [order.count(place) for place in range(len(classes))]
    total = [count + more for count, more in zip(have, got, strict=True)]
    for giver in range(len(classes)):
        for taker in range(len(classes)):
            if got[giver] and got[taker] < room[taker]:  # moving a pick would not help
                assert total[giver] - 1 <= total[taker]
