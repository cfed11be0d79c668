"""Looks at images as the model sees them, measured by all tests of the watch; and one at very many. Without torch, so
that the memory is the watch's.
"""

import resource
import time
from typing import NamedTuple

import numpy as np

from components.common.metrics import confusion_matrix
from components.monitor.settings import MonitorSettings
from components.monitor.signals.measure import Measured, measure
from components.monitor.signals.sample import Compared, Held, Sample
from components.monitor.signals.signal import Signal, look_level

LEVEL = look_level(7 * 86_400, MonitorSettings().false_alarms)  # of a weekly look, all tests together
ABSTAIN = 0.9  # confidence below which an answer goes to a person
REFERENCE = 2000  # images
LARGE, FEATURES = 100_000, 512


class Seen(NamedTuple):
    """Images as the model sees them, a row each."""

    embeddings: np.ndarray  # (n, 64) float32, unit length
    probabilities: np.ndarray  # (n, 10)
    labels: np.ndarray  # (n,) the true digits
    figures: np.ndarray  # (n, 3): brightness, size, sharpness

    def rows(self, rows: np.ndarray) -> "Seen":
        return Seen(*(each[rows] for each in self))

    @property
    def predicted(self) -> np.ndarray:
        return self.probabilities.argmax(axis=1)

    @property
    def confidence(self) -> np.ndarray:
        return self.probabilities.max(axis=1)

    @property
    def entropy(self) -> np.ndarray:
        return -(self.probabilities * np.log(np.maximum(self.probabilities, 1e-300))).sum(axis=1)


def look(reference: Seen, stream: Seen, seed: int = 0) -> list[Signal]:
    """All tests of a look, the one of the accuracy among them."""
    found: Measured = measure(compared(reference, stream), LEVEL, MonitorSettings(seed=seed))
    return [*found.signals, *([found.expected] if found.expected else [])]


def large() -> tuple[float, int]:
    """Seconds of a look at LARGE images that all drifted, and the most bytes that this process ever held."""
    rng = np.random.default_rng(0)
    reference, stream = synthetic(rng, REFERENCE, 0.0), synthetic(rng, LARGE, 0.3)
    began = time.perf_counter()
    found = look(reference, stream)
    took = time.perf_counter() - began
    assert any(each.alarm for each in found)
    return took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def synthetic(rng: np.random.Generator, n: int, shift: float) -> Seen:
    labels = rng.integers(0, 10, n)
    embeddings = np.empty((n, FEATURES), np.float16)
    for rows in np.array_split(np.arange(n), max(1, n // 2000)):
        some = rng.normal(size=(len(rows), FEATURES)).astype(np.float32)
        some[np.arange(len(rows)), labels[rows]] += 20
        some[:, -1] += shift * 20
        embeddings[rows] = some / np.linalg.norm(some, axis=1, keepdims=True)
    probabilities = rng.dirichlet(np.full(10, 0.2), n)
    return Seen(embeddings, probabilities, probabilities.argmax(axis=1), rng.normal(size=(n, 3)))


def compared(reference: Seen, stream: Seen) -> Compared:
    held = Held(reference.confidence, reference.predicted == reference.labels)
    confusion = confusion_matrix(reference.labels, reference.predicted, 10)
    return Compared([str(digit) for digit in range(10)], sample(reference), sample(stream), confusion, held)


def sample(seen: Seen) -> Sample:
    looks = dict(zip(("brightness", "size", "sharpness"), seen.figures.T, strict=True))
    figures = {**looks, "confidence": seen.confidence, "entropy": seen.entropy}
    return Sample(seen.embeddings, seen.predicted, figures, seen.confidence < ABSTAIN)
