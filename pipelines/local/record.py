"""Record a run: its folder, its stages and their figures, kept as run.json."""

import resource
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.common.files import write_json
from pipelines.local.progress import Bars, Lines


class StageError(Exception):
    """A stage ended badly: its own error line, its log, and gleaner's exit code (2 for bad input, otherwise 1)."""

    def __init__(self, line: str, log: Path, code: int) -> None:
        super().__init__(line)
        self.line = line
        self.log = log
        self.code = code


@dataclass
class Stage:
    """What became of one stage: its seconds (None: cached) and, per output, uri and metadata."""

    name: str
    seconds: float | None = None
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Run:
    """One run: its folder and its stages, in the order they ended."""

    folder: Path
    display: Bars | Lines
    threads: int
    stages: list[Stage] = field(default_factory=list)
    failure: StageError | None = None
    start: float = field(default_factory=time.monotonic)

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def cached(self, name: str, outputs: dict[str, Any]) -> None:
        found = {
            key: {"uri": artifact.uri, "metadata": artifact.metadata}
            for key, artifact in outputs.items()
            if hasattr(artifact, "uri")
        }
        self.stages.append(Stage(name, None, found))
        self.display.ended(name, "cached")

    def seconds(self) -> float:
        return time.monotonic() - self.start

    def save(self, arguments: dict[str, Any]) -> None:
        """Write run.json: what was asked, and what came of each stage."""
        write_json(
            self.folder / "run.json",
            {
                "format": 1,
                "arguments": arguments,
                "seconds": round(self.seconds(), 1),
                "peak_memory": peak_memory(),
                "stages": [asdict(stage) for stage in self.stages],
                "failure": self.failure.line if self.failure else None,
            },
        )


def new_run(workdir: Path, name: str, display: Bars | Lines, threads: int) -> Run:
    """A run with a folder of its own, also where another starts in the same second."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for attempt in range(1, 1000):
        folder = workdir.absolute() / "runs" / (f"{name}-{stamp}" if attempt == 1 else f"{name}-{stamp}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        (folder / "logs").mkdir()
        return Run(folder, display, threads)
    raise RuntimeError(f"{workdir}/runs: no free folder for {name}-{stamp}")


def peak_memory() -> int:
    """Greatest resident memory of a single stage process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
