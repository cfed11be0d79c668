"""Whether the model answers otherwise: other classes, less sure, or leaving more to people."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from components.monitor.settings import MonitorSettings
from components.monitor.signals.plain import Counted, Figure, fisher
from components.monitor.signals.sample import Compared
from components.monitor.signals.signal import Signal, of, rounded
from components.monitor.statistics.shares import Shares, estimate_shares, shares_p

COVERAGE = 0.95  # of the intervals that are shown
DRAWS = 2000  # of a bootstrap
SURE = (
    Figure(
        "confidence",
        "predictions",
        "The model is",
        "surer of its answers",
        "less sure of its answers",
        "as sure of its answers as it was",
        "confidence of the answers",
        ".3f",
    ),
    Figure(
        "entropy",
        "predictions",
        "The model",
        "wavers more between classes",
        "wavers less between classes",
        "wavers between classes as much as it did",
        "entropy of the answers",
        ".3f",
    ),
)


def estimated(each: Compared, level: float, settings: MonitorSettings) -> tuple[Signal, list[dict[str, Any]], str]:
    """Whether the shares of the predicted classes changed; the shares of the true ones, estimated through the mistakes
    of the classifier (Lipton et al. 2018), as `shares` in drift.json; and why there is no estimate, or nothing.

    The effect is the largest change of an estimated share; where there is no estimate, of a predicted one. The shares
    of the reference are estimated like those of the look, so that what the confusion does not know is the same in both.
    """
    k = len(each.classes)
    before, now = (np.bincount(sample.predicted, minlength=k) for sample in (each.known, each.seen))
    found = estimate_shares(each.confusion, now, COVERAGE, DRAWS, settings.seed)
    usual = estimate_shares(each.confusion, before, COVERAGE, 1, settings.seed)
    predicted = now / max(1, now.sum())
    known = before / max(1, before.sum()) if found.why else usual.shares
    shown = predicted if found.why else found.shares
    change = shown - known
    top = int(np.abs(change).argmax())
    moved = f"class {each.classes[top]} {'more' if change[top] > 0 else 'less'} often"
    signal = Signal(
        "shares",
        "predictions",
        "shares of the predicted classes, permutation test",
        float(np.abs(change).max()),
        shares_p(before, now, level, settings.seed),
        level,
        float(np.abs(change).max()),
        settings.least_share,
        f"The classes come in other shares; {moved}: {of(float(shown[top]), float(known[top]))}",
        "The classes come in the shares that they came in",
        "predictions" in settings.alarm_on,
    )
    return signal, _rows(each.classes, known, predicted, found), found.why


def _rows(classes: Sequence[str], known: np.ndarray, predicted: np.ndarray, found: Shares) -> list[dict[str, Any]]:
    """`shares` of drift.json. known, predicted: (k,) shares."""
    columns = {
        "reference": known,
        "predicted": predicted,
        "estimate": found.shares,
        "low": found.low,
        "high": found.high,
    }
    return [
        {"class": name, **{key: rounded(float(values[place])) for key, values in columns.items()}}
        for place, name in enumerate(classes)
    ]


def abstained(known: np.ndarray, seen: np.ndarray, level: float, settings: MonitorSettings) -> Signal:
    """Whether the model leaves another share of its answers to people: Fisher's exact test.

    known: (n,), seen: (m,), bool. The effect, a difference of two shares, is the Kolmogorov-Smirnov distance of what is
    yes or no.
    """
    before, now = (Counted(int(each.sum()), len(each)) for each in (known, seen))
    words = of(now.share, before.share)
    return Signal(
        "abstained",
        "predictions",
        "share of answers left to people, Fisher's exact test",
        now.share - before.share,
        fisher(before, now, "two-sided"),
        level,
        abs(now.share - before.share),
        settings.least_shift,
        f"The model leaves {'more' if now.share > before.share else 'fewer'} images to people: {words}",
        f"The model leaves about as many images to people as it did: {words}",
        "predictions" in settings.alarm_on,
        before.share,
        now.share,
    )
