"""A folder as Git would hold it, a run configuration and a schedules file, and how it is applied to a server."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from components.common.kubeflow.server import connect
from pipelines.kubeflow.schedules.apply import apply, read_git, show_plan
from tests.pipelines.kubeflow.kfp_state import KfpServer

NIGHTLY = {"cron": "0 30 2 * * *", "config": "run.yaml"}
OURS = "gitops/gleaner/"
DISTANT = f"0 0 0 1 {(datetime.now(UTC) + timedelta(days=180)).month} *"  # no start while a test runs, nor near it


def write_git(folder: Path, schedules: Any, run: dict[str, Any] | None = None, **top: Any) -> Path:
    """Write both files and return the path of the schedules file."""
    config = {
        "version": 1,
        "name": "digits",
        "source": "s3://bucket/images",
        "store": "s3://bucket/store",
        **(run or {}),
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    file = folder / "schedules.yaml"
    file.write_text(yaml.safe_dump({"version": 1, **top, "schedules": schedules}, sort_keys=False), encoding="utf-8")
    return file


def applied(server: KfpServer, file: Path, prune: bool = True, wait: float = 0, namespace: str = "team") -> list[str]:
    """Apply, and what was said."""
    said: list[str] = []
    apply(connect(server.url, namespace), read_git(file), prune, said.append, wait)
    return said


def planned(server: KfpServer, file: Path, prune: bool = True) -> list[str]:
    """What a plan says; it changes nothing."""
    said: list[str] = []
    before = server.writes()
    show_plan(connect(server.url, "team"), read_git(file), prune, said.append)
    assert server.writes() == before
    return said


def live_through(server: KfpServer, folder: Path) -> None:
    """All that happens to a schedule: it is made, paused, taken up again, and leaves Git."""
    nightly = {**NIGHTLY, "cron": DISTANT}
    server.clock = timedelta(days=-40)
    for schedules in ({"nightly": nightly}, {"nightly": {**nightly, "paused": True}}, {"nightly": nightly}):
        applied(server, write_git(folder, schedules))
    server.clock = timedelta()
    for _ in range(2):
        applied(server, write_git(folder, {}))


def names(file: Path) -> list[str]:
    """The recurring runs that must be enabled."""
    return sorted(want.name for want in read_git(file).wanted.values() if not want.paused)


def write_compiled(folder: Path, ir: bytes) -> Path:
    """A folder of compiled pipelines for `compiled: compiled`; returns its training.yaml."""
    path = folder / "compiled" / "training.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(ir)
    return path
