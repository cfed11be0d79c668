"""Images built once for all tests of them, from a clone of the last commit."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.images.podman import BASE, configure, missing, podman, stand_in
from tests.processes import free_port

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Built:
    """A clone, in which `gleaner images build` has run."""

    clone: Path
    environment: dict[str, str]
    registry: str
    references: dict[str, str]

    def gleaner(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "pipelines", *words],
            cwd=self.clone,
            capture_output=True,
            text=True,
            timeout=1500,
            env={**self.environment, "PYTHONPATH": str(self.clone)},
        )

    def podman(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return podman(self.environment, *words)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real registry on a loopback port."""
    if lacking := missing():
        pytest.skip(lacking)
    folder = tmp_path_factory.mktemp("registry")
    port = free_port()
    address = f"127.0.0.1:{port}"
    settings = {
        "version": 0.1,
        "log": {"level": "error"},
        "http": {"addr": address},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
    }
    (folder / "config.yml").write_text(yaml.safe_dump(settings))
    command = ["docker-registry", "serve", str(folder / "config.yml")]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    yield address
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Built:
    """All three images of the last commit, with torch's CPU build."""
    folder = tmp_path_factory.mktemp("images")
    environment = configure(folder)
    stand_in(environment)
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    made = Built(clone, environment, registry, {})
    answer = made.gleaner(
        "images", "build", "--engine", "podman", "--torch", "cpu", "--base", BASE, "--registry", f"{registry}/ml"
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    made.references.update((role, reference) for role, reference in map(str.split, answer.stdout.splitlines()))
    return made
