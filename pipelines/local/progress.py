"""Show progress while stages run: a bar per stage on a terminal, a line per start and end elsewhere."""

import json
import sys
from types import TracebackType
from typing import Any, Self, TextIO


def open_display(file: TextIO | None = None) -> "Bars | Lines":
    file = file or sys.stderr
    return Bars(file) if file.isatty() else Lines(file)


def read_progress(line: str) -> dict[str, Any] | None:
    """A stage's progress report (components.common.cli.report), or None for any other line of its log."""
    if not line.startswith('{"progress"'):
        return None
    try:
        report = json.loads(line)
    except json.JSONDecodeError:
        return None
    return report if isinstance(report.get("done"), int) and isinstance(report.get("total"), int) else None


def seconds(value: float) -> str:
    minutes, rest = divmod(round(value), 60)
    return f"{value:.1f} s" if value < 59.95 else f"{minutes} min {rest} s"


class Lines:
    """For a file, a pipe or a pod: no bars, no colours."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.file.flush()

    def started(self, stage: str) -> None:
        self._say(f"{stage}: started")

    def report(self, stage: str, report: dict[str, Any]) -> None:
        """Details are in the stage's log."""

    def ended(self, stage: str, outcome: str) -> None:
        self._say(f"{stage}: {outcome}")

    def _say(self, text: str) -> None:
        print(text, file=self.file, flush=True)


class Bars:
    """For a terminal: one line per stage that stays, the running one moves."""

    def __init__(self, file: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        self.bars = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.fields[stage]:<11}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            console=Console(file=file),
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
            refresh_per_second=8,
        )
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.bars.stop()

    def started(self, stage: str) -> None:
        self.tasks[stage] = self.bars.add_task("", total=None, stage=stage)

    def report(self, stage: str, report: dict[str, Any]) -> None:
        figures = "  ".join(
            f"{name} {value:g}"
            for name, value in report.items()
            if name not in ("progress", "done", "total") and isinstance(value, int | float)
        )
        self.bars.update(
            self.tasks[stage],
            completed=report["done"],
            total=report["total"] or None,
            description=f"{report['progress']} {report['done']}/{report['total']}  {figures}".rstrip(),
        )

    def ended(self, stage: str, outcome: str) -> None:
        if stage not in self.tasks:
            self.started(stage)
        self.bars.update(self.tasks[stage], completed=1, total=1, description=outcome)
