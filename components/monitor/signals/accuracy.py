"""What accuracy is to be expected of the look's images, without a label of theirs."""

from typing import Any

import numpy as np
from scipy.stats import hypergeom

from components.common.metrics import wilson_interval
from components.common.words import share
from components.monitor.settings import MonitorSettings
from components.monitor.signals.sample import Held
from components.monitor.signals.signal import Signal, rounded
from components.monitor.statistics.expected import Estimate, atc, doc

COVERAGE = 0.95  # of the intervals that are shown
LEAST = 20  # labelled images of the reference, of which accuracy can be expected


def expected(
    held: Held | None, confidence: np.ndarray, level: float, settings: MonitorSettings
) -> tuple[Signal | None, dict[str, Any]]:
    """Whether accuracy has fallen as far as confidence tells, and `accuracy` of drift.json but for `since`.

    confidence: (m,) of the look's images. The effect is the accuracy on held-out images less the one expected by ATC
    (Garg et al. 2022).
    """
    if held is None or len(held.correct) < LEAST:
        labels = 0 if held is None else len(held.correct)
        why = f"The reference holds {labels:,} labelled test images; {LEAST} are the least to expect an accuracy from."
        return None, {"held_out": None, "atc": None, "doc": None, "alarm": False, "told": why}
    n, right = len(held.correct), int(held.correct.sum())
    low, high = wilson_interval(right, n)
    by_atc, by_doc = (way(*held, confidence, COVERAGE, settings.seed) for way in (atc, doc))
    drop = right / n - by_atc.value
    words = "The model may be right less often"
    if drop < settings.least_drop:
        words = "The model is likely to be right about as often as it was"
    reach = f"{share(by_atc.value)} expected, {share(right / n)} on the test images"
    signal = Signal(
        "accuracy",
        "accuracy",
        "answers less sure than the threshold of ATC, precedence test",
        by_atc.value,
        less_sure_p(held, confidence),
        level,
        drop,
        settings.least_drop,
        f"The model is likely to be right less often: {reach}",
        f"{words}: {reach}",
        "accuracy" in settings.alarm_on,
        right / n,
        by_atc.value,
    )
    about = {
        "held_out": {"value": rounded(right / n), "low": rounded(low), "high": rounded(high), "images": n},
        "atc": _told(by_atc),
        "doc": _told(by_doc),
        **{name: value for name, value in signal.as_dict().items() if name not in ("name", "family", "statistic")},
    }
    return signal, about


def less_sure_p(held: Held, confidence: np.ndarray) -> float:
    """p that the answers are as sure as the held-out ones (precedence test: Nelson 1963), one-sided.

    ATC's threshold is the r-th smallest confidence of n held-out images, r being how many were wrong (one, if none
    was). That k of m answers or more lie below it means that of the k + r - 1 smallest of all n + m confidences r - 1
    at most are held-out ones: a tail of the hypergeometric distribution, exact for any distribution of confidences.
    """
    n, m = len(held.confidence), len(confidence)
    r = max(1, n - int(held.correct.sum()))
    threshold = np.partition(held.confidence, r - 1)[r - 1]
    k = int((confidence < threshold).sum())
    return float(hypergeom.cdf(r - 1, n + m, n, k + r - 1)) if k else 1.0


def _told(estimate: Estimate) -> dict[str, float | None]:
    return {name: rounded(value) for name, value in estimate._asdict().items()}
