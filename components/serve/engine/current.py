"""The release that answers, and the look at whether another one is the champion by now."""

import asyncio

import numpy as np

from components.common.errors import BadInputError
from components.common.storage import open_store
from components.releases.bundle import find, locate
from components.releases.model import ReleasedModel, load_release, promised
from components.serve.lines import Lines
from components.serve.metrics import Metrics

LONGEST_PAUSE = 60.0  # seconds between two looks at a release that was refused


class Current:
    """A verified release. Whoever answers takes it once, and so answers with one release from decoding to the end,
    also where another takes over meanwhile; the old one goes with its last answer.
    """

    def __init__(self, place: str, threads: int, int8: bool, name: str, metrics: Metrics, lines: Lines) -> None:
        """Load and verify it: BadInputError where it is refused. name: of the model, where it is not the release's."""
        self.place, self.threads, self.int8 = place, threads, int8
        self.metrics, self.lines = metrics, lines
        self.release = self._load()
        self.name = name or self.release.name
        self.refused = ""  # why the newest champion is not used
        metrics.answering(self.name, self.release.version)

    async def follow(self, seconds: float) -> None:
        """Look every so often; where the champion has moved, load it beside the old one and let it take over.

        One that is broken is looked at again after ever longer pauses, as it may be mended.
        """
        pause = seconds
        while True:
            await asyncio.sleep(pause)
            try:
                newer = await asyncio.to_thread(self._newer)
            except Exception as error:  # a broken release, a store that is away: the old one goes on
                self._keep(error)
                pause = min(2 * pause, max(seconds, LONGEST_PAUSE))
                continue
            pause = seconds
            self.metrics.behind.set(0)
            self.refused = ""
            if newer:
                was = self.release.version
                self.release = newer
                self.metrics.swapped.inc()
                self.metrics.answering(self.name, newer.version)
                self.lines.say("release", version=newer.version, before=was)

    def _newer(self) -> ReleasedModel | None:
        _, about = find(open_store(locate(self.place)))
        return None if about["version"] == self.release.version else self._load()

    def _load(self) -> ReleasedModel:
        release = load_release(self.place, self.threads, self.int8)
        side = release.preprocessing.image_size
        release.run(np.zeros((1, len(release.preprocessing.mode), side, side), np.uint8))  # the first run is slow
        return release

    def _keep(self, error: Exception) -> None:
        is_refused = isinstance(error, BadInputError)
        self.metrics.watch_failures.inc()
        if is_refused:
            self.metrics.behind.set(1)
        why = str(error) if is_refused else f"{type(error).__name__}: {error}"
        if why != self.refused:  # said once, not every few seconds
            event = "release refused" if is_refused else "cannot look for the champion"
            self.lines.say(event, why=why.partition("\n")[0], still=self.release.version)
        self.refused = why


def floor(release: ReleasedModel) -> float | None:
    """Confidence below which a person should look; None where calibration had too few labels for one."""
    return promised(release.thresholds, "precision", "threshold")
