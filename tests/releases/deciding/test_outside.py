"""Decisions of people as commits in a real repository, and in a Model Registry: what is said, and what fails."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.releases.deciding.outside import digest_of
from tests.releases.deciding.people import World
from tests.releases.gitops.world import MANIFEST, PATH, TOKEN, Bare, git, served
from tests.releases.model_registry import Registry, serving

ROOT = Path(__file__).parents[3]
GITOPS = ("--git-path", PATH)


@pytest.fixture
def local(tmp_path, capsys) -> World:
    return World(str(tmp_path / "store"), capsys)


def test_a_decision_is_a_commit_where_a_repository_is_named(local, tmp_path):
    bare = Bare(tmp_path / "git")
    told_to = ("--git-repository", str(bare.folder), *GITOPS)
    one = local.publish(1)
    said = local.says("approve", one, "--why", "a start", *told_to)
    assert re.search(rf"^{re.escape(str(bare.folder))}, branch main: commit [0-9a-f]{{12}}$", said, re.M)
    assert f"storageUri: {local.place}/releases/digits/{one}\n" in bare.shown()
    assert digest_of(local.releases[one]) in bare.shown()
    body = git(bare.folder, "log", "-1", "--format=%B%an", "main")
    assert body.startswith(f"Promote digits {one}\n\na start\n\nGleaner-Release: digits {one}\nGleaner-Decision: 1\n")
    assert body.endswith("anna")
    two = local.publish(2, one)
    local.says("approve", two, *told_to)
    local.says("rollback", "--why", "complaints", *told_to)
    assert bare.log() == [f"Roll back digits to {one}", f"Promote digits {two}", f"Promote digits {one}", "first"]
    assert local.says("history").count("committed") == 3
    assert "branch main: has it already" in local.says("sync", *told_to)


def test_nothing_moves_where_the_repository_cannot_take_the_commit(local, tmp_path, monkeypatch):
    bare = Bare(tmp_path / "git")
    one = local.publish(1)
    with served(bare) as address:
        told_to = ("--git-repository", address, *GITOPS)
        assert "no credentials; give a token that may push" in local.says("approve", one, *told_to, code=2)
        monkeypatch.setenv("GLEANER_GIT_USERNAME", "reader")
        monkeypatch.setenv("GLEANER_GIT_TOKEN", TOKEN)
        assert "no permission to push" in local.says("approve", one, *told_to, code=2)
    missing = ("--git-repository", str(bare.folder), "--git-path", "x.yaml")
    assert "x.yaml: no such file" in local.says("approve", one, *missing, code=2)
    assert local.champion is None
    local.says("approve", one, *missing, "--no-commit")
    assert local.champion == one
    assert bare.shown() == MANIFEST


def test_a_push_that_is_refused_after_the_decision_is_said_and_made_by_sync(local, tmp_path):
    bare = Bare(tmp_path / "git")
    told_to = ("--git-repository", str(bare.folder), *GITOPS)
    bare.hook("pre-receive", 'echo "freeze until Monday" >&2; exit 1')
    one = local.publish(1)
    said = local.says("approve", one, *told_to, code=1)
    assert f"{one} is the champion of digits now" in said
    assert re.search(r"^error: decided, but not committed: .*freeze until Monday.*; `gleaner release sync`", said, re.M)
    assert local.champion == one
    assert bare.shown() == MANIFEST
    assert "freeze until Monday" in local.says("sync", *told_to, code=1)
    bare.hook("pre-receive", "exit 0")
    assert "branch main: commit " in local.says("sync", *told_to)
    assert one in bare.shown()


def test_a_revert_in_the_repository_is_never_undone_unasked(local, tmp_path):
    bare = Bare(tmp_path / "git")
    told_to = ("--git-repository", str(bare.folder), *GITOPS)
    one = local.publish(1)
    local.says("approve", one, *told_to)
    two = local.publish(2, one)
    local.says("approve", two, *told_to)
    git(bare.clone, "pull", "-q", "origin", "main")
    git(bare.clone, "revert", "--no-edit", "HEAD")
    git(bare.clone, "push", "-q", "origin", "HEAD:main")
    assert "is the champion of digits already" in local.says("approve", two)
    said = local.says("sync", *told_to, code=2)
    assert f"serves {one}, though {two} was committed there before; `gleaner release rollback --to {one}`" in said
    local.says("rollback", "--to", one, *told_to)
    assert local.champion == one
    assert len(bare.log()) == 4
    local.says("approve", two, *told_to)
    git(bare.clone, "pull", "-q", "origin", "main")
    git(bare.clone, "revert", "--no-edit", "HEAD")
    git(bare.clone, "push", "-q", "origin", "HEAD:main")
    local.says("sync", "--again", *told_to)
    assert two in bare.shown()


def test_the_model_registry_learns_every_decision_and_holds_none_up(local):
    registry = Registry()
    one = local.publish(1)
    with serving(registry) as address:
        assert "the Model Registry has digits" in local.says("approve", one, "--registry", address)
        two = local.publish(2, one)
        local.says("approve", two, "--registry", address)
        three = local.publish(3, two)
        local.says("reject", three, "--registry", address)
    versions = {
        made["name"]: made["customProperties"]["decision"]["string_value"]
        for made in registry.kept["model_versions"].values()
    }
    assert versions == {one: "superseded", two: "champion", three: "rejected"}
    uris = {made["uri"] for made in registry.kept["model_artifacts"].values()}
    assert uris == {f"{local.place}/releases/digits/{version}" for version in versions}
    said = local.says("rollback", "--registry", "http://127.0.0.1:1")
    assert said.count("the Model Registry at http://127.0.0.1:1 was not told: ") == 2
    assert local.champion == one


def test_a_configuration_says_which_releases_and_who_is_told(local, tmp_path):
    bare = Bare(tmp_path / "git")
    one = local.publish(1)
    config = tmp_path / "my.yaml"
    gitops = {"repository": str(bare.folder), "path": PATH}
    config.write_text(
        json.dumps({"version": 1, "name": "digits", "source": "x", "store": local.place, "release": {"gitops": gitops}})
    )

    def gleaner(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pipelines", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert one in gleaner("release", "list", "-c", str(config))
    said = gleaner("release", "approve", one, "-c", str(config), "--who", "anna", "--why", "a start")
    assert "branch main: commit " in said
    assert one in bare.shown()
    assert "approved" in gleaner("release", "-c", str(config), "history")
