"""Divide a budget of picks: among strategies by shares, among classes so that their labels come out even."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from heapq import heapify, heappop, heappush


def split_budget(budget: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Picks of each strategy, `budget` in all, by the method of largest remainders: 20 at {typiclust: 0.8, random: 0.2}
    are 16 and 4.

    shares need not sum to one. Where the budget allows, each share gets at least one pick, from those that have most.
    Ties go to the share that is named first.
    """
    if budget < 0 or not shares or min(shares.values()) <= 0:
        raise ValueError(f"a budget of {budget} cannot be split by {dict(shares)}")
    exact = {name: Fraction(share).limit_denominator(1_000_000) for name, share in shares.items()}
    due = {name: budget * share / sum(exact.values()) for name, share in exact.items()}
    picks = {name: int(amount) for name, amount in due.items()}
    by_remainder = sorted(due, key=lambda name: picks[name] - due[name])  # stable: ties in the order of naming
    for name in by_remainder[: budget - sum(picks.values())]:
        picks[name] += 1
    if budget >= len(picks):
        for name in (name for name, count in picks.items() if not count):
            richest = max(picks, key=lambda other: picks[other])
            picks[richest] -= 1
            picks[name] = 1
    return picks


def even_out(budget: int, have: Sequence[int], room: Sequence[int]) -> list[int]:
    """Which class each pick goes to, in the order of picking, so that labels come out as even as the rooms allow.

    have: labels of each class so far; room: picks that each class can take. Each pick goes to the class with the fewest
    labels and picks that has room: water that fills the lowest first. Ties go to the class with less room, since it is
    the rarer one, then to the first. Shorter than `budget` where the rooms are full.
    """
    line = [(count, space, place) for place, (count, space) in enumerate(zip(have, room, strict=True)) if space]
    heapify(line)
    left = list(room)
    order: list[int] = []
    while line and len(order) < budget:
        count, space, place = heappop(line)
        order.append(place)
        left[place] -= 1
        if left[place]:
            heappush(line, (count + 1, space, place))
    return order
