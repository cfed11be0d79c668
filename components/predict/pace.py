"""Show how far a run is: done, of how many, how many a second, and how long the rest takes."""

import sys
import time
from collections.abc import Iterable, Iterator

from components.common.cli import report

EVERY = 10.0  # seconds between two lines where there is no terminal


def paced(steps: Iterable[int], done: int, total: int) -> Iterator[int]:
    """Yield the steps, each of 1 image; a bar on a terminal, a JSON line now and then elsewhere.

    done: images that an earlier process did, which the rate leaves out.
    """
    if sys.stderr.isatty():
        yield from _bar(steps, done, total)
        return
    began = told = time.monotonic()
    count = done
    report("images", count, total)
    for step in steps:
        yield step
        count += step
        now = time.monotonic()
        if now - told >= EVERY or count == total:
            told = now
            rate = (count - done) / max(now - began, 1e-9)
            report("images", count, total, per_second=rate, seconds_left=(total - count) / rate)


def _bar(steps: Iterable[int], done: int, total: int) -> Iterator[int]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Images a second since this process began."""

        def render(self, task: Task) -> Text:
            return Text(f"{(task.completed - done) / task.elapsed:,.0f}/s" if task.elapsed else "")

    columns = (TextColumn("images"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task("images", total=total, completed=done)
        for step in steps:
            yield step
            bar.advance(task, step)
