"""A real server of a release on this machine, asked over HTTP as an application asks it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import urllib3

from components.common.clock import VARIABLE
from components.common.errors import FailedError

TOGETHER = 32  # images of one request
ROOT = Path(__file__).parents[2]


class Served:
    """A server that answers."""

    def __init__(self, link: str) -> None:
        self.link = link.rstrip("/")
        self.http = urllib3.PoolManager()

    def classify(self, files: Sequence[Path]) -> list[str]:
        """The class that the model says of each image."""
        said: list[str] = []
        for first in range(0, len(files), TOGETHER):
            some = files[first : first + TOGETHER]
            answer = self.http.request(
                "POST", f"{self.link}/predict", fields=[("image", (path.name, path.read_bytes())) for path in some]
            )
            if answer.status != 200:
                raise FailedError(f"{self.link}: answers {answer.status}: {answer.data.decode(errors='replace')[:200]}")
            said += [each["class"] for each in answer.json()["predictions"]]
        return said


@contextmanager
def serving(release: str, log: str = "", at: datetime | None = None) -> Iterator[Served]:
    """Serve until the block ends. log: where every answer is written down, as answered at the time `at`.

    Raises FailedError where the server does not come up.
    """
    words = ["--log", log, "--log-rate", "1", "--log-seconds", "1", "--log-pixels"] if log else []
    process = subprocess.Popen(
        [sys.executable, "-m", "components.serve", release, "--port", "0", *words],
        env={**environment(), **({VARIABLE: at.isoformat()} if at else {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Served(_link(process, release))
    finally:
        process.terminate()  # in good order: what is left of the log is written
        process.communicate()


def _link(process: "subprocess.Popen[str]", release: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        told = json.loads(line)
        if told["event"] == "serving":
            return str(told["link"])
    _, errors = process.communicate()
    raise FailedError(f"{release}: cannot be served: {errors.strip().rpartition(chr(10))[2]}")


def environment() -> dict[str, str]:
    """Of a process that imports what this one does, wherever it is started."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}
