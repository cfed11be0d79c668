"""A stage that the launcher stands in for; it must never run itself."""

from pathlib import Path

from components.common.settings import Settings


class KnobSettings(Settings):
    """What the stage is set by."""

    epochs: int = 3
    """Passes."""


def run(dataset: Path, store: str, seed: int, settings: KnobSettings, encoder: Path, metrics: Path) -> None:
    """Learn."""
    raise AssertionError("the small pod must start a TrainJob instead")
