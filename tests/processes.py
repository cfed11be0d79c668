"""Processes and ports of this machine, for tests that start and kill real ones."""

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def children(parent: int) -> list[int]:
    """Processes that a process has started, by any of its threads."""
    return [int(word) for path in Path(f"/proc/{parent}/task").glob("*/children") for word in path.read_text().split()]


def kill_all(process: "subprocess.Popen[Any]") -> None:
    """A process and its children at once, as when their machine is taken away; torchrun gives each its own group."""
    for each in [*children(process.pid), process.pid]:
        os.kill(each, signal.SIGKILL)
    process.wait()
