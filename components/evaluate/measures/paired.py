"""Compare two models on the same images: the interval of the difference, McNemar's test, and what was forgotten."""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import bdtr

from components.common.metrics import wilson_interval

LEVEL = 0.95
DRAWS = 10_000


class Paired(NamedTuple):
    """What a model (here) does better and worse than another (there) on the same images."""

    images: int
    mended: int  # wrong there, right here
    made: int  # right there, wrong here
    difference: float  # accuracy here minus accuracy there
    low: float
    high: float
    p: float  # of the exact McNemar test


def paired(here: np.ndarray, there: np.ndarray, seed: int) -> Paired:
    """here, there: whether each answered right, boolean (images,), at least one image."""
    mended, made = int(np.sum(here & ~there)), int(np.sum(~here & there))
    low, high = difference_interval(mended, made, len(here), seed)
    return Paired(len(here), mended, made, (mended - made) / len(here), low, high, mcnemar(mended, made))


def difference_interval(
    mended: int, made: int, images: int, seed: int, level: float = LEVEL, draws: int = DRAWS
) -> tuple[float, float]:
    """Interval of the difference of two accuracies on the same images, by the paired bootstrap (percentiles).

    A resample of the images matters only by how many of them are mended and made, which is one multinomial draw. Each
    of the four outcomes of a pair is first given half an image more (after Agresti and Min 2005): else models that
    agree on every image would get an interval of width zero, and few disagreements one that is too narrow.
    """
    shares = np.array([mended + 0.5, made + 0.5, images - mended - made + 1]) / (images + 2)
    drawn = np.random.default_rng([seed, mended, made, images]).multinomial(images, shares, size=draws)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / images, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mcnemar(mended: int, made: int) -> float:
    """p of the exact McNemar test (1947): were both models as good, each image on which they differ would be a coin."""
    return min(1.0, 2 * float(bdtr(min(mended, made), mended + made, 0.5)))


def forgotten(here: np.ndarray, there: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """How much of what the other model got right is wrong here, with Wilson's interval, in all and by class.

    here, there: boolean (images,); labels: names (images,).
    """
    lost = there & ~here
    low, high = wilson_interval(int(lost.sum()), int(there.sum()))
    per_class = []
    for name in sorted(set(labels[there])):
        of, images = (int(np.sum(which & (labels == name))) for which in (there, lost))
        per_class.append({"class": name, "images": images, "share": images / of, "of": of})
    return {
        "images": int(lost.sum()),
        "of": int(there.sum()),
        "share": float(lost.sum() / there.sum()) if there.any() else 0.0,
        "low": low,
        "high": high,
        "per_class": sorted(per_class, key=lambda line: (-line["images"], line["class"])),
    }
