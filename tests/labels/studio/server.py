"""A real Label Studio of this machine: an environment of its own, a database in a folder, a port of loopback alone."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import urllib3

from tests.manifests.kubectl import ROOT
from tests.processes import free_port

PROGRAM = ROOT / ".tools" / "label-studio" / "bin" / "label-studio"  # put there by make test-studio
PEOPLE = {"ann@example.com": "a" * 40, "bob@example.com": "b" * 40}  # and their legacy tokens
PATIENCE = 300  # seconds; the first start makes the database


class Server(NamedTuple):
    url: str
    personal: str  # ann's personal access token


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Start it with ann and bob, wait until it answers, and end that process afterwards."""
    environment = _environment(folder)
    port = free_port()
    first, *others = PEOPLE
    for person in others:
        subprocess.run(
            [PROGRAM, "init", *_account(person)], env=environment, check=True, capture_output=True, timeout=PATIENCE
        )
    start = [str(PROGRAM), "start", "--init", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*start, *_account(first)], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, folder / "log")
            made = urllib3.request("POST", f"{url}/api/token/", headers={"Authorization": f"Token {PEOPLE[first]}"})
            yield Server(url, made.json()["token"])
        finally:
            process.kill()  # its data are thrown away
            process.wait()


def _account(person: str) -> list[str]:
    return [
        "--username",
        person,
        "--password",
        "only-here",
        "--user-token",
        PEOPLE[person],
        "--enable-legacy-api-token",
    ]


def _environment(folder: Path) -> dict[str, str]:
    """Nothing is told to its makers, and nothing of this machine's own Label Studio is read."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "HOME": str(folder),
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if urllib3.request("GET", f"{url}/health", retries=False, timeout=5).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        assert process.poll() is None, said
        assert time.monotonic() < end, said
        time.sleep(0.2)
