"""Accuracy on parts of the test images: by folder, size, brightness, distance to the training images, any column."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from components.common.metrics import wilson_interval

MOST = 30  # slices of one kind; the smallest are joined beyond that
OTHERS = "(others)"
QUARTERS = {
    "size": ("smallest", "smaller", "larger", "largest"),
    "brightness": ("darkest", "darker", "brighter", "brightest"),
    "distance": ("nearest", "nearer", "farther", "farthest"),
}
"""Names of the quarters of the test images by a number, the lowest first."""


class Compared(NamedTuple):
    """What another model did, on those images where it is compared."""

    where: np.ndarray  # boolean (images,)
    right: np.ndarray  # boolean (images,)


def quarters(values: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """The quarter that each value lies in, by name (n,): the bounds are quartiles, equal values lie in one quarter."""
    bounds = np.quantile(values, [0.25, 0.5, 0.75]) if len(values) else np.zeros(3)
    return np.array(names, dtype=object)[np.searchsorted(bounds, values, side="left")]


def joined(names: np.ndarray, most: int = MOST) -> np.ndarray:
    """The names (n,) with all but the `most` most frequent ones called OTHERS; missing ones stay None."""
    known = np.array([name is not None for name in names], bool)
    found, counts = np.unique(names[known].astype(str), return_counts=True)
    if len(found) <= most:
        return names
    kept = set(found[np.argsort(-counts, kind="stable")[: most - 1]])
    return np.array([name if name is None or name in kept else OTHERS for name in names], dtype=object)


def slices(
    kinds: Mapping[str, np.ndarray],
    right: np.ndarray,
    small: int,
    champion: Compared | None = None,
    bounds: Mapping[str, np.ndarray] | None = None,
) -> list[dict[str, Any]]:
    """A line for each slice of each kind, the least accurate of a kind first.

    kinds: the name of each image's slice, (images,) or None; right: boolean (images,); small: below so many images a
    slice is marked; bounds: of a kind the number that it was made of, (images,), whose range is told. A kind that has
    all images in one slice is left out: it says what the accuracy says.
    """
    lines = []
    for by, all_names in kinds.items():
        names = joined(all_names)
        present = sorted({name for name in names if name is not None})
        if len(present) < 2:
            continue
        of_kind = [
            {"by": by, "name": name, **_slice(names == name, right, small, champion, (bounds or {}).get(by))}
            for name in present
        ]
        lines += sorted(of_kind, key=lambda line: (line["accuracy"], line["name"]))
    return lines


def _slice(
    inside: np.ndarray, right: np.ndarray, small: int, champion: Compared | None, numbers: np.ndarray | None
) -> dict[str, Any]:
    images = int(inside.sum())
    low, high = wilson_interval(int(right[inside].sum()), images)
    line: dict[str, Any] = {
        "images": images,
        "accuracy": float(right[inside].mean()),
        "low": low,
        "high": high,
        "champion_accuracy": None,
        "forgotten": None,
        "small": images < small,
        "from": None if numbers is None else float(numbers[inside].min()),
        "to": None if numbers is None else float(numbers[inside].max()),
    }
    both = inside & champion.where if champion else np.zeros(len(inside), bool)
    if champion and both.any():
        line["champion_accuracy"] = float(champion.right[both].mean())
        line["forgotten"] = int(np.sum(champion.right[both] & ~right[both]))
    return line
