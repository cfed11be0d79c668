"""A release with a reference in a store, and a log of what it answered."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from components.common import clock
from components.common.metrics import softmax
from components.common.served import write
from components.common.storage import open_store
from components.monitor.collect.stage import run
from components.monitor.observed import Observed, load
from components.monitor.settings import MonitorSettings
from components.releases.model import ReleasedModel, load_release
from tests import tiny
from tests.monitor.observed import NOW, files
from tests.releases.made import publish_release

FEATURES = 16


class Watched(NamedTuple):
    """A released model, whose log lies in its store."""

    store: str
    place: str  # of the version
    model: ReleasedModel
    folder: Path  # for artifacts

    def answer(
        self,
        times: list[datetime],
        version: str = "",
        seed: int = 0,
        log: str = "",
        model: str = "digits",
        classes: int = 10,
    ) -> list[dict[str, Any]]:
        """Log an answer of each time in one batch, written a minute after the last; returns the rows."""
        rng = np.random.default_rng(seed)
        p = softmax(rng.standard_normal((len(times), classes))).astype(np.float32)
        vectors = rng.standard_normal((len(times), FEATURES)).astype(np.float16)
        rows = [
            {
                "id": hashlib.sha256(f"{seed} {number}".encode()).hexdigest(),
                "time": time,
                "version": version or self.model.version,
                "predicted": self.model.classes[p[number].argmax()],
                "confidence": p[number].max(),
                "abstain": None,
                "probabilities": p[number],
                "embedding": vectors[number],
                "brightness": 0.5,
                "size": None,
                "sharpness": 0.01,
                "pixels": b"pixels",
            }
            for number, time in enumerate(times)
        ]
        write(open_store(log or f"{self.store}/log"), model, rows, max(times) + timedelta(minutes=1))
        return rows

    def collect(self, source: str = "", release: str = "", **settings: Any) -> Observed:
        folder = self.folder / "observed"
        asked = MonitorSettings(**{"min_images": 20, "max_images": 1000, **settings})
        run(release or self.place, source, asked, folder)
        return load(folder)


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


@pytest.fixture
def reference() -> dict[str, bytes]:
    return files(50)


@pytest.fixture
def watched(
    tiny_world: tiny.World, tmp_path: Path, reference: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Watched]:
    """Release into a store, by default a folder, at a rehearsed time."""
    monkeypatch.setenv(clock.VARIABLE, NOW.isoformat())

    def make(store: str = "") -> Watched:
        where = store or str(tmp_path / "store")
        changes: dict[str, Any] = {name.replace(".", "_"): data for name, data in reference.items()}
        place = publish_release(tiny_world, where, **changes)
        return Watched(where, place, load_release(place, 1), tmp_path)

    return make
