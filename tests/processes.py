"""Processes and ports of this machine, for tests that start and kill real ones."""

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def children(parent: int) -> list[int]:
    """Processes that a process has started, by any of its threads."""
    found: list[int] = []
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            found += [int(word) for word in path.read_text().split()]
    return found


def descendants(parent: int) -> list[int]:
    """Processes that a process has started, those that they have started, and so on."""
    found = children(parent)
    return found + [each for child in found for each in descendants(child)]


def gone(processes: list[int], seconds: float = 10) -> bool:
    """Whether all of them have ended, after at most so long."""
    end = time.monotonic() + seconds
    while any(is_alive(number) for number in processes):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def is_alive(number: int) -> bool:
    """False too for a process that has ended and that nobody has waited for."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill_all(process: "subprocess.Popen[Any]") -> None:
    """A process and its children at once, as when their machine is taken away; torchrun gives each its own group."""
    for each in [*children(process.pid), process.pid]:
        os.kill(each, signal.SIGKILL)
    process.wait()
