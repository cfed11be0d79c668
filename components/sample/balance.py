"""Spread picks evenly over the classes that a weak classifier sees in the pool, so that rare classes are found."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil

import numpy as np

from components.sample.shares import even_out
from components.sample.strategies.distances import spans, workers
from components.sample.strategies.pool import BLOCK, Chosen, Pool

UNLIKE = 0.02  # share of the pool, the images least like any labelled one, where classes without a label are looked for
NEW = "class not seen yet"


def balanced(
    pick: Callable[[Pool, int], Chosen],
    pool: Pool,
    budget: int,
    predicted: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    every_class: bool = False,
) -> Chosen:
    """Run a strategy within each predicted class, with the quotas of `even_out`; picks come in the order of quotas.

    predicted: (n,) class indices, of each image of the pool; labels: (m,) class indices of `pool.labelled`; classes:
    names. What no label names cannot be predicted: unless `every_class` has a label, the images that are least like the
    labelled ones are one more class, with as many labels as the rarest.

    The strategy sees the images of one class: those predicted to be of it, and those labelled with it. Its pool
    has fewer rows, so whatever it knows by position in `pool` has to be narrowed by `within`. What a class cannot fill
    goes to the others; picks of one call count as labelled in the next.
    """
    have = np.bincount(labels, minlength=len(classes))
    if len(labels) and not every_class:
        predicted = np.where(unlike(pool), len(classes), predicted)
        have, classes = np.append(have, have[have > 0].min()), [*classes, NEW]
    seen = predicted.copy()
    seen[pool.labelled] = labels
    groups = [np.flatnonzero((predicted == place) | (seen == place)) for place in range(len(classes))]
    room = np.bincount(predicted[pool.free], minlength=len(classes))
    found: list[list[int]] = [[] for _ in classes]
    reasons: dict[int, str] = {}
    order: list[int] = []
    while more := even_out(budget - len(order), (have + _lengths(found)).tolist(), (room - _lengths(found)).tolist()):
        for place, quota in enumerate(np.bincount(more, minlength=len(classes)).tolist()):
            if quota:
                taken = np.array(sorted(reasons), np.int64)
                free = pool.free & (predicted == place)
                free[taken] = False
                labelled = np.union1d(pool.labelled, taken)
                chosen = pick(_narrowed(replace(pool, labelled=labelled, free=free), groups[place]), quota)
                for position, reason in zip(groups[place][chosen.positions].tolist(), chosen.reasons, strict=True):
                    found[place].append(position)
                    reasons[position] = f"{reason}; {perhaps(classes[place])}"
                if len(chosen.positions) < quota:  # the strategy has no more
                    room[place] = len(found[place])
        order = _in_turn(order, more, found)
    return Chosen(np.array(order, np.int64), [reasons[position] for position in order])


def unlike(pool: Pool) -> np.ndarray:
    """The UNLIKE of the pool that have the least likeness (cosine) to the nearest labelled image, boolean (n,); of
    equally unlike ones the smaller positions.
    """
    known = pool.take(pool.labelled)

    with workers(pool.threads) as each:
        parts = each(lambda span: (pool.take(span) @ known.T).max(axis=1), spans(len(pool), BLOCK))
        likeness = np.concatenate(list(parts))
    likeness[pool.labelled] = np.inf
    found = np.zeros(len(pool), bool)
    found[np.argsort(likeness, kind="stable")[: ceil(UNLIKE * len(pool))]] = True
    return found & np.isfinite(likeness)


def within(pool: Pool, part: Pool, values: np.ndarray) -> np.ndarray:
    """`values` (n, …), one of each image of `pool`, of the images of `part`, which `balanced` made of it."""
    return values[np.searchsorted(pool.rows, part.rows)]


def perhaps(name: str) -> str:
    return f"perhaps {'an' if name[:1].lower() in tuple('aeiou') else 'a'} {name}"


def _narrowed(pool: Pool, positions: np.ndarray) -> Pool:
    """The pool of these positions alone, ascending."""
    labelled = np.flatnonzero(np.isin(positions, pool.labelled))
    return replace(pool, rows=pool.rows[positions], labelled=labelled, free=pool.free[positions])


def _lengths(found: list[list[int]]) -> np.ndarray:
    return np.array([len(positions) for positions in found])


def _in_turn(order: list[int], turns: list[int], found: list[list[int]]) -> list[int]:
    """`order`, and behind it what was found since, each class in its turns."""
    done = set(order)
    waiting = [[position for position in positions if position not in done] for positions in found]
    return order + [waiting[place].pop(0) for place in turns if waiting[place]]
