"""A released model in a store, and looks at it week after week."""

from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from components.common.cli import Metadata
from components.common.files import read_json
from components.common.storage import open_store
from components.monitor.compare.stage import run
from components.monitor.settings import MonitorSettings
from components.releases.bundle import describe, publish
from tests.monitor.observed import NOW, make

WEEK = timedelta(days=7)


class World(NamedTuple):
    folder: Path
    store: str
    release: str  # folder of the version
    version: str

    def observe(self, number: int = 1, name: str = "", **changes: Any) -> Path:
        """The artifact of the look of that number; changes: as tests.monitor.observed.make takes them."""
        about = {
            "number": number,
            "previous": number - 1 or None,
            "since": (NOW + (number - 2) * WEEK).isoformat(),
            "until": (NOW + (number - 1) * WEEK).isoformat(),
            "store": self.store,
            "release": self.release,
            "version": self.version,
            "seed": number,
        }
        return make(self.folder / (name or f"observed-{number}"), **{**about, **changes})

    def compare(self, observed: Path, name: str = "", **settings: Any) -> tuple[dict[str, Any], Path]:
        """drift.json and the folder that it lies in."""
        drift = self.folder / (name or observed.name.replace("observed", "drift"))
        self.told(observed, drift, **settings)
        return read_json(drift / "drift.json"), drift

    def told(self, observed: Path, drift: Path, **settings: Any) -> Metadata:
        return run(self.release, observed, MonitorSettings(**settings), drift)


def released(folder: Path, **about: Any) -> World:
    """A release of nothing but its name. about: more of release.json."""
    store = folder / "store"
    release = describe({"README.md": b"-"}, {"model": "pets", **about})
    place = publish(open_store(str(store)), release, {"README.md": b"-"})
    return World(folder, str(store), str(store / place), release["version"])
