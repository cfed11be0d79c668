"""A folder as Git would hold it: a run configuration and a schedules file."""

from pathlib import Path
from typing import Any

import yaml

NIGHTLY = {"cron": "0 30 2 * * *", "config": "run.yaml"}
OURS = "gitops/gleaner/"


def write_git(folder: Path, schedules: Any, run: dict[str, Any] | None = None, **top: Any) -> Path:
    """Write both files and return the path of the schedules file."""
    config = {"version": 1, "name": "digits", "source": "s3://bucket/images", "store": "s3://bucket/store", **(run or {})}
    (folder / "run.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    file = folder / "schedules.yaml"
    file.write_text(yaml.safe_dump({"version": 1, **top, "schedules": schedules}, sort_keys=False), encoding="utf-8")
    return file
