"""A scripted person, who knows what is on every image of a stream and answers whatever is asked."""

import csv
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.common.errors import FailedError
from components.common.storage import Store
from pipelines.circle.served import environment

NAME = "the script"


class Person:
    """Answers by `gleaner labels import`, the command that people have."""

    def __init__(self, name: str, store: Store, truth: Mapping[str, str]) -> None:
        """name: of the dataset; truth: label of each image by its id."""
        self.name, self.store, self.truth = name, store, truth
        self.answered: set[str] = set()

    def answer(self, ids: Iterable[str]) -> int:
        """Say what these images are, each once; returns how many were new. Raises FailedError where that is refused."""
        asked = sorted({*ids} - self.answered)
        if not asked:
            return 0
        with tempfile.TemporaryDirectory(prefix="gleaner-circle-") as scratch:
            table = Path(scratch) / "answers.csv"
            with table.open("w", encoding="utf-8", newline="") as lines:
                rows = csv.writer(lines)
                rows.writerow(["id", "label"])
                rows.writerows([image, self.truth[image]] for image in asked)
            self._import(table)
        self.answered |= {*asked}
        return len(asked)

    def _import(self, table: Path) -> None:
        which = ["--name", self.name, "--store", self.store.uri, "--annotator", NAME, "--new-classes"]
        done = subprocess.run(
            [sys.executable, "-m", "components.labels", "import", *which, str(table)],
            env=environment(),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise FailedError(f"the script's answers were refused: {done.stderr.strip().rpartition(chr(10))[2]}")


def asked_in(candidates: Path) -> list[str]:
    """Images of a run's candidates.csv that have no answer yet."""
    with (candidates / "candidates.csv").open(encoding="utf-8", newline="") as lines:
        return [row["id"] for row in csv.DictReader(lines) if not row["label"]]
