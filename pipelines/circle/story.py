"""The circle, week by week: serve, log, watch, and, where the watch says so, label, train and promote."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.common.audits import drawn
from components.common.clock import VARIABLE
from components.common.errors import BadInputError, FailedError
from components.common.storage import Store, open_store
from components.monitor.claims import record, take
from pipelines.circle.person import Person, asked_in
from pipelines.circle.served import serving
from pipelines.circle.stream import Part, Stream
from pipelines.configuration.config import RunConfig, load_config
from pipelines.local.monitor import look
from pipelines.local.objectstore import reach
from pipelines.local.progress import open_display
from pipelines.local.run import run_config

BEGIN = datetime(2026, 1, 5, 6, tzinfo=UTC)  # a Monday: weeks are rehearsed, and take as long as their work does
SITTINGS = 4  # runs until nobody is asked any more, at most


@dataclass(frozen=True)
class Week:
    """What happened in a week; accuracies are shares of its images."""

    name: str
    images: int
    accuracy: float
    """Of the model that was served."""
    without: float
    """Of the first model, which would still be served without the watch."""
    expected: dict[str, Any] | None
    """What the watch expected of the served model without a label: value, low, high."""
    alarm: bool
    told: str
    """The verdict of the watch."""
    labels: int
    """Answers that people gave in this week."""
    version: str
    """Of the model that was served."""
    promoted: str
    """Version of the model that took over at the end of the week; empty where none did."""


class Circle:
    """One rehearsal: a configuration, its store, and a person who knows the stream."""

    def __init__(self, file: Path, overrides: Sequence[str], stream: Stream, workdir: Path) -> None:
        self.file, self.overrides, self.stream, self.workdir = file, list(overrides), stream, workdir
        self.place = reached(load_config(file, self.overrides))
        self.config = self._config()
        self.store: Store = open_store(self.config.store)
        self.person = Person(self.config.name, self.store, stream.truth)
        self.releases = f"{self.config.store.rstrip('/')}/releases/{self.config.name}"
        self.log = self.config.monitor.log or f"{self.config.store.rstrip('/')}/log"

    def begin(self) -> str:
        """Train the first champion on what there is at the start; returns its version.

        Raises BadInputError where there is something already, of an earlier rehearsal or of somebody else.
        """
        source = Path(self.config.source)
        begun = next(iter(self.store.list(f"monitor/{self.config.name}/")), None)
        if begun is not None or (source.is_dir() and any(source.iterdir())):
            raise BadInputError(
                f"{source if begun is None else self.store.uri}: holds something already; a rehearsal begins with a "
                "new source and a new store: remove those of an earlier one, or name others"
            )
        self._arrive(self.stream.start)
        self.train([])
        return self._champion()

    def weeks(self, first: str, say: Callable[[str], None]) -> Iterator[Week]:
        """Live through the weeks, one after the other. first: version of the first champion."""
        for number, part in enumerate(self.stream.weeks, start=1):
            yield self._week(first, part, BEGIN + timedelta(weeks=number), say)

    def _week(self, first: str, part: Part, end: datetime, say: Callable[[str], None]) -> Week:
        version, answered = self._champion(), len(self.person.answered)
        say(f"{part.name}: {len(part.files)} images are served by {version}")
        accuracy, without = self._serve(version, first, part, end - timedelta(days=1))
        self._arrive(part)
        with _at(end):
            watched = look(self.config, self.file, self.overrides, self.workdir)
            self._audit()
            if watched.decision["train"]:
                say(f"{part.name}: {watched.drift['verdict']['title']}")
                self._claimed(watched.decision)
        now = self._champion()
        return Week(
            name=part.name,
            images=len(part.files),
            accuracy=accuracy,
            without=without,
            expected=(watched.drift.get("accuracy") or {}).get("atc"),
            alarm=watched.drift["verdict"]["alarm"],
            told=watched.drift["verdict"]["title"],
            labels=len(self.person.answered) - answered,
            version=version,
            promoted=now if now != version else "",
        )

    def _claimed(self, decision: dict[str, Any]) -> None:
        """The training run that a look decided on, and its end on record."""
        model, number = self.config.name, decision["claim"]
        if held := take(self.store, model, number):
            raise FailedError(f"{self.releases}: {held}; expected a store that nobody else watches")
        record(self.store, model, number, {"name": self.train(decision["overrides"])})

    def train(self, overrides: Sequence[str]) -> str:
        """Run the pipeline, answer what it asks, and run it again, until it asks nothing more; the last run's name."""
        for _ in range(SITTINGS):
            run = run_config(self._config(overrides), self.workdir, open_display())
            sample = next(stage for stage in run.stages if stage.name == "sample")
            if not self.person.answer(asked_in(Path(sample.outputs["candidates"]["uri"]))):
                return run.folder.name
        raise FailedError(f"{self.file}: after {SITTINGS} runs people are still asked; expected one round of labels")

    def _serve(self, version: str, first: str, part: Part, at: datetime) -> tuple[float, float]:
        """Accuracy of the champion, whose answers are logged, and of the first model, on the images of a week."""
        with serving(f"{self.releases}/{version}", self.log, at) as server:
            accuracy = _share(server.classify(part.files), part.labels)
        if version == first:
            return accuracy, accuracy
        with serving(f"{self.releases}/{first}") as server:
            return accuracy, _share(server.classify(part.files), part.labels)

    def _audit(self) -> None:
        """The person says what the images of the audit are."""
        for draw in drawn(self.store, self.config.name):
            self.person.answer(draw.answers.column("id").to_pylist())

    def _arrive(self, part: Part) -> None:
        """Images come into the source of the runs, as an application stores what it was sent."""
        source = Path(self.config.source)
        source.mkdir(parents=True, exist_ok=True)
        for path in part.files:
            shutil.copyfile(path, source / f"{part.name}-{path.name}")

    def _champion(self) -> str:
        try:
            return str(json.loads(self.store.read(f"releases/{self.config.name}/champion.json"))["version"])
        except KeyError:
            raise FailedError(f"{self.releases}: no model was promoted; see the report of the run") from None

    def _config(self, overrides: Sequence[str] = ()) -> RunConfig:
        return load_config(self.file, [*self.overrides, *overrides]).model_copy(update={"store": self.place})


def _share(said: Sequence[str], true: Sequence[str]) -> float:
    return sum(one == other for one, other in zip(said, true, strict=True)) / len(true)


@contextmanager
def _at(time: datetime) -> Iterator[None]:
    """Live at another time until the block ends."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = time.isoformat()
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def reached(config: RunConfig) -> str:
    """The store of a configuration, as this process and all that it starts find it."""
    if config.object_store and config.store.startswith("s3://"):
        return reach(config.store, Path(config.object_store).expanduser())
    return config.store


def recorded(weeks: Sequence[Week]) -> dict[str, Any]:
    """What a rehearsal came to, for circle.json."""
    return {"format": 1, "weeks": [asdict(week) for week in weeks]}
