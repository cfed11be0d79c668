"""Tests of what every image has one of: a figure, or whether it is of some kind."""

from typing import NamedTuple

import numpy as np
from scipy.stats import fisher_exact

from components.monitor.settings import Family, MonitorSettings
from components.monitor.signals.signal import Signal
from components.monitor.statistics.ks import ks

CLEAR = 0.1  # spreads by which a mean has moved, for words to name the direction


class Figure(NamedTuple):
    """A figure of every image, and the words for it."""

    name: str
    family: Family
    subject: str
    more: str
    less: str
    alike: str
    noun: str
    shown: str  # format of a mean


class Counted(NamedTuple):
    """How many images are of a kind, of how many."""

    images: int
    total: int

    @property
    def share(self) -> float:
        return self.images / max(1, self.total)


def figure_signal(
    figure: Figure, known: np.ndarray, seen: np.ndarray, level: float, settings: MonitorSettings
) -> Signal:
    """Whether a figure is distributed otherwise: Kolmogorov-Smirnov, whose distance is the effect. known: (n,), seen:
    (m,).
    """
    distance, p = (float(each[0]) for each in ks(known[:, None], seen[:, None]))
    before, now = float(known.mean()), float(seen.mean())
    words = f"{figure.subject} {figure.more if now > before else figure.less}"
    if abs(now - before) <= CLEAR * float(known.std()):
        words = f"The {figure.noun} is spread otherwise than it was"
    means = f"{now:{figure.shown}} on average, {before:{figure.shown}} in the reference"
    return Signal(
        figure.name,
        figure.family,
        "Kolmogorov-Smirnov",
        distance,
        p,
        level,
        distance,
        settings.least_shift,
        f"{words}: {means}",
        f"{figure.subject} {figure.alike}: {means}",
        figure.family in settings.alarm_on,
        before,
        now,
    )


def fisher(known: Counted, seen: Counted, alternative: str) -> float:
    """p of Fisher's exact test. alternative: `greater`, where the share has risen, or `two-sided`."""
    counts = [[each.images, each.total - each.images] for each in (seen, known)]
    return float(fisher_exact(counts, alternative=alternative)[1])
