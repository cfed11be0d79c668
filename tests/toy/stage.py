"""A stage for tests of the local runner: `python -m tests.toy`, a command like every other stage's."""

import os
import signal
import time
from pathlib import Path

from components.common.cli import Metadata, report
from components.common.errors import BadInputError
from components.common.settings import Settings


class ToySettings(Settings):
    """What the toy does."""

    say: str = "hello"
    """Written into the output."""
    do: str = "work"
    """work, bad (the user's mistake), bug, die (as if out of memory) or sleep."""


def run(before: Path, settings: ToySettings, after: Path, figures: Path) -> Metadata:
    """Write what stands in `before`, if anything, and what the settings say; each run is a line of $TOY_JOURNAL."""
    with Path(os.environ["TOY_JOURNAL"]).open("a") as journal:
        journal.write(f"{settings.say}\n")
    for step in range(3):
        report("steps", step + 1, 3, loss=1 / (step + 1))
    if settings.do == "bad":
        raise BadInputError("labels.csv:17: class 'catt' is not one of ['cat', 'dog']")
    if settings.do == "bug":
        raise KeyError("a bug")
    if settings.do == "die":
        signal.raise_signal(signal.SIGKILL)
    if settings.do == "sleep":
        print("asleep", flush=True)
        time.sleep(60)
    text = before.read_text() if before.is_file() else ""
    after.write_text(text[:1] + settings.say[:1])  # the first letters: another `say` may give equal bytes
    return {"after": {"said": settings.say}, "figures": {"letters": len(text)}}
