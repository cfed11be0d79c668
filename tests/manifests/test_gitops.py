"""Commit configuration and the cluster follows; `git revert` and it goes back: on a real repository, by what is built
from it.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.manifests.kubectl import ROOT, build_text

WORKLOAD = "manifests/overlays/kind/workload"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("manifests", "pipelines", "docker"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, "as it is")
    return tmp_path


def git(repository: Path, *words: str) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=repository, check=True, capture_output=True)


def commit(repository: Path, message: str) -> None:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", message)


def edit(repository: Path, path: str, old: str, new: str) -> None:
    text = (repository / path).read_text(encoding="utf-8")
    assert old in text
    (repository / path).write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "old", "new", "folder", "changed"),
    [
        ("pipelines/configs/schedules.yaml", "0 30 2", "0 45 3", WORKLOAD, "gleaner-schedules-"),
        ("pipelines/configs/cluster.yaml", "name: digits", "name: numbers", WORKLOAD, "gleaner-schedules-"),
        (
            "manifests/components/gpu/node-pools.yaml",
            "consolidateAfter: 5m",
            "consolidateAfter: 9m",
            "manifests/overlays/dev/queues",
            "9m",
        ),
    ],
    ids=["schedule", "configuration", "pool"],
)
def test_a_commit_changes_the_objects_and_a_revert_brings_them_back(repository, path, old, new, folder, changed):
    before = build_text(repository / folder)
    edit(repository, path, old, new)
    commit(repository, "another value")
    after = build_text(repository / folder)
    difference = set(after.splitlines()) - set(before.splitlines())
    assert any(changed in line for line in difference)
    git(repository, "revert", "--no-edit", "HEAD")
    assert build_text(repository / folder) == before
