"""Whether other images come than those of the reference: how they look, and what the model sees in them."""

import numpy as np

from components.monitor.settings import MonitorSettings
from components.monitor.signals.plain import Counted, Figure, fisher
from components.monitor.signals.sample import Sample
from components.monitor.signals.signal import Signal, of
from components.monitor.statistics.ks import benjamini_hochberg, ks
from components.monitor.statistics.mmd import mmd
from components.monitor.statistics.novelty import novelty, usual

MOST = 2000  # images of each sample that the kernel test takes
USUAL = 0.99  # of the reference's images have another one nearer than the distance from which an image is new
MANY = 1 << 25  # numbers of a block of embeddings
LOOKS = (
    Figure(
        "brightness",
        "inputs",
        "The images are",
        "brighter",
        "darker",
        "as bright as they were",
        "brightness of the images",
        ".2f",
    ),
    Figure(
        "size", "inputs", "The images are", "larger", "smaller", "as large as they were", "size of the images", ",.0f"
    ),
    Figure(
        "sharpness",
        "inputs",
        "The images are",
        "sharper",
        "blurrier",
        "as sharp as they were",
        "sharpness of the images",
        ".2g",
    ),
)


def embedding_mmd(known: Sample, seen: Sample, level: float, settings: MonitorSettings) -> Signal:
    """Whether the model sees other images: a kernel two-sample test (Gretton et al. 2012).

    The effect is their `separation`.
    """
    found = mmd(known.embeddings, seen.embeddings, level, settings.seed, MOST)
    return Signal(
        "embedding_mmd",
        "inputs",
        f"maximum mean discrepancy of embeddings, {found.permutations:,} permutations",
        found.squared,
        found.p,
        level,
        separation(known.embeddings, seen.embeddings, found.bandwidth, settings.seed),
        settings.least_shift,
        "To the model, the images as a whole differ from those it was measured on",
        "To the model, the images as a whole are like those it was measured on",
        "inputs" in settings.alarm_on,
    )


def separation(known: np.ndarray, seen: np.ndarray, bandwidth: float, seed: int) -> float:
    """Kolmogorov-Smirnov distance, 0 to 1, of two samples of embeddings, (n, f) and (m, f), along the witness of their
    discrepancy (Gretton et al. 2012, section 2.3): by how much the mean kernel of one exceeds that of the other.

    Each half is measured along the witness of the other half, so that many numbers of few images make no distance where
    there is none (as Lopez-Paz and Oquab 2017 hold out images from their classifier).
    """
    rng = np.random.default_rng([seed, 2])
    x, y = (_some(rows, rng) for rows in (known, seen))
    distances = []
    for part in (0, 1):
        (x1, x2), (y1, y2) = ((rows[part::2], rows[1 - part :: 2]) for rows in (x, y))
        along = [_kernel_mean(rows, y1, bandwidth) - _kernel_mean(rows, x1, bandwidth) for rows in (x2, y2)]
        distances.append(float(ks(along[0][:, None], along[1][:, None])[0][0]))
    return float(np.mean(distances))


def embedding_ks(known: Sample, seen: Sample, level: float, settings: MonitorSettings) -> Signal:
    """Whether single numbers of the embedding are distributed otherwise: Kolmogorov-Smirnov for each, adjusted for
    their number after Benjamini and Hochberg. The smallest adjusted p, times 1 + 1/2 + ... + 1/f, holds whatever the
    dependence of the f numbers (Hommel 1983).
    """
    distance, p = _each(known.embeddings, seen.embeddings)
    features = len(p)
    adjusted = np.minimum(1, benjamini_hochberg(p) * (1 / np.arange(1, features + 1)).sum())
    differing = max(1, int((adjusted <= level).sum()))
    described = f"of the {features:,} numbers in which the model describes an image"
    return Signal(
        "embedding_ks",
        "inputs",
        f"Kolmogorov-Smirnov for each of {features:,} numbers of an embedding, Benjamini-Hochberg",
        float(distance.max()),
        float(adjusted.min()),
        level,
        float(distance.max()),
        settings.least_shift,
        f"{differing:,} {described} {'is' if differing == 1 else 'are'} distributed otherwise",
        f"None {described} is distributed otherwise",
        "inputs" in settings.alarm_on,
    )


def novel(known: Sample, seen: Sample, level: float, settings: MonitorSettings) -> Signal:
    """Whether more images than usual are near to nothing in the reference, as those of a new class are.

    One half of the reference is what images are near to, and sets the distance from which on one is new; the other
    half and the look's images are counted beyond it, so that both are treated alike, and compared by Fisher's exact
    test.
    """
    order = np.random.default_rng([settings.seed, 3]).permutation(len(known.embeddings))
    anchors, others = (known.embeddings[np.sort(rows)] for rows in np.array_split(order, 2))
    limit = usual(anchors, USUAL)
    beyond = [novelty(anchors, rows) > limit for rows in (others, seen.embeddings)]
    before, now = (Counted(int(new.sum()), len(new)) for new in beyond)
    shares = of(now.share, before.share)
    return Signal(
        "novelty",
        "inputs",
        "images farther than usual from half of the reference, Fisher's exact test",
        now.share - before.share,
        fisher(before, now, "greater"),
        level,
        now.share - before.share,
        settings.least_share,
        f"More images are like none of the reference: {shares}",
        f"Images that are like none of the reference are not clearly more than usual: {shares}",
        "inputs" in settings.alarm_on,
        before.share,
        now.share,
    )


def _some(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    drawn = rows if len(rows) <= MOST else rows[np.sort(rng.choice(len(rows), MOST, replace=False))]
    return drawn.astype(np.float32)


def _kernel_mean(rows: np.ndarray, others: np.ndarray, bandwidth: float) -> np.ndarray:
    """Mean over others (m, f) of exp(-|x - y|² / 2s²), for each of rows (n, f): (n,)."""
    squares = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * rows @ others.T
    return np.exp(-np.maximum(squares, 0) / (2 * bandwidth**2)).mean(axis=1)


def _each(known: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`ks` of all columns, some at a time."""
    some = max(1, MANY // (len(known) + len(seen)))
    tested = [
        ks(known[:, start : start + some], seen[:, start : start + some]) for start in range(0, known.shape[1], some)
    ]
    return np.concatenate([each[0] for each in tested]), np.concatenate([each[1] for each in tested])
