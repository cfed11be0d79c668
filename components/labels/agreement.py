"""Measure how far people agree beyond chance."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from components.common.labels.answers import SKIP
from components.labels.rules import meaning
from components.labels.store import Answer


class Agreement(NamedTuple):
    """Of two people, on the images that both answered; what either passed over is left out."""

    people: tuple[str, str]
    both: int
    same: int
    kappa: float | None


def kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Cohen's kappa (1960): (p_o - p_e) / (1 - p_e) of two people's answers about the same things, with p_o the share
    of equal answers and p_e that of two people who answer by chance, each as often as they do.

    None where that is not defined: without answers, and where both always give one and the same.
    """
    n = len(first)
    left, right = Counter(first), Counter(second)
    expected = sum(left[answer] * right[answer] for answer in left)  # times n², so that 1 is exact
    if n == 0 or expected == n * n:
        return None
    same = sum(a == b for a, b in zip(first, second, strict=True))
    return (n * same - expected) / (n * n - expected)


def agreements(stands: Mapping[str, Sequence[Answer]]) -> list[Agreement]:
    """Of every two people with an image in common, by name. stands: by image, the last answer of each person."""
    pairs: dict[tuple[str, str], list[tuple[Hashable, Hashable]]] = defaultdict(list)
    for answers in stands.values():
        said = sorted((one for one in answers if one.kind != SKIP), key=lambda one: one.annotator)
        for one, other in combinations(said, 2):
            pairs[one.annotator, other.annotator].append((meaning(one), meaning(other)))
    return [
        Agreement(people, len(both), sum(a == b for a, b in both), kappa([a for a, _ in both], [b for _, b in both]))
        for people, both in sorted(pairs.items())
    ]
