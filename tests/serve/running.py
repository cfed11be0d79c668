"""A real `python -m components.serve` on a loopback port, for as long as a block lasts."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
SECONDS = 60  # until it listens, on a machine that does much else


class Running:
    """A server, what it says, and a client for it."""

    def __init__(self, release: str, *flags: str, **environment: str) -> None:
        command = [sys.executable, "-m", "components.serve", release, "--port", "0", *flags]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self.errors = ""
        self.readers = [threading.Thread(target=each) for each in (self._read_lines, self._read_errors)]
        for reader in self.readers:
            reader.start()
        self.link = self.line("serving")["link"].rstrip("/")
        self.client = httpx.Client(base_url=self.link, timeout=SECONDS, trust_env=False)

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def line(self, event: str, number: int = 1, seconds: float = SECONDS) -> dict[str, Any]:
        """The line that tells of an event the given time; waited for."""
        end = time.monotonic() + seconds
        while True:
            found = [line for line in self.lines if line["event"] == event]
            if len(found) >= number:
                return found[number - 1]
            assert self.process.poll() is None, f"it ended: {self.lines} {self.errors}"
            assert time.monotonic() < end, f"no {event!r} among {self.lines}"
            time.sleep(0.02)

    def ready(self) -> "Running":
        end = time.monotonic() + SECONDS
        while self.client.get("/v2/health/ready").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.02)
        return self

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of that name whose labels are these."""
        total = 0.0
        for line in self.client.get("/metrics").text.splitlines():
            series, _, value = line.rpartition(" ")
            wanted = all(f'{key}="{text}"' in series for key, text in labels.items())
            if series.partition("{")[0] == name and wanted:
                total += float(value)
        return total

    def predict(self, *images: bytes, **query: Any) -> httpx.Response:
        files = [("image", (f"{number}.png", data)) for number, data in enumerate(images)]
        return self.client.post("/predict", files=files, params=query)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 30) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(seconds)
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()  # type: ignore[union-attr]
        self.process.stderr.close()  # type: ignore[union-attr]
        self.client.close()
        return code


@contextmanager
def running(release: str, *flags: str, **environment: str) -> Iterator[Running]:
    """Serve `release` until the block ends; the server has to end well."""
    server = Running(release, *flags, **environment)
    try:
        yield server.ready()
    except BaseException:
        server.process.kill()
        server.stop()
        raise
    assert server.stop() == 0, server.errors
