"""Which engine builds and pushes, and when it may speak http. Fast: scripts named docker and podman; real: podman and a
registry on this machine, with a docker beside it whose daemon is not there.
"""

import io
import json
import os
import shutil
import subprocess
import tarfile
import urllib.request
from pathlib import Path

import pytest

from components.common.errors import BadInputError, FailedError
from pipelines.compiling.images import parts
from pipelines.images import builds, engines
from pipelines.images.engines import find_engine, is_on_loopback
from tests.images.conftest import ROOT, Built
from tests.images.podman import configure

DIGEST = "sha256:" + "5" * 64
PODMAN = """
case $1 in
version) echo "Client:       Podman Engine" ;;
push) for word; do case $before in --digestfile) printf %s DIGEST > "$word" ;; esac; before=$word; done ;;
esac
"""
DOCKER = """
case $1 in
version) echo "Client: Docker Engine - Community" ;;
push) echo "latest: digest: DIGEST size: 1234" ;;
esac
"""
DEAD = "echo 'Client: Docker Engine'; echo 'Cannot connect to the Docker daemon. Is it running?' >&2; exit 1"
SILENT = "sleep 30 & wait"  # what it started holds its output open


class Installed:
    """Scripts as engines in a folder that is the whole PATH, beside the tools that a build needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        folder.mkdir()
        for tool in ("git", "tar", "sleep"):
            (folder / tool).symlink_to(str(shutil.which(tool)))

    def __call__(self, **scripts: str) -> None:
        for name, script in scripts.items():
            body = script.replace("DIGEST", DIGEST)
            (self.folder / name).write_text(f'#!/bin/bash\necho "{name} $*" >> {self.calls}\n{body}\n')
            (self.folder / name).chmod(0o755)

    def called(self) -> list[str]:
        """What engines were told since the last call, but for `version`."""
        lines = self.calls.read_text().splitlines()
        self.calls.write_text("")
        return [line for line in lines if not line.endswith(" version")]


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Installed:
    monkeypatch.setattr(builds, "NOTES", tmp_path / ".gleaner" / "images.json")
    engines_here = Installed(tmp_path / "engines")
    monkeypatch.setenv("PATH", str(engines_here.folder))
    return engines_here


def build(*roles: str, engine: str = "", base: str = "", registry: str = "example.org/ml") -> dict[str, str]:
    return builds.build(list(roles), engine, "cpu", registry, base, "")


@pytest.mark.parametrize(
    ("scripts", "asked", "name"),
    [
        ({"docker": DOCKER, "podman": PODMAN}, "", "docker"),
        ({"docker": DEAD, "podman": PODMAN}, "", "podman"),
        ({"docker": SILENT, "podman": PODMAN}, "", "podman"),
        ({"docker": PODMAN, "podman": PODMAN}, "", "podman"),
        ({"podman": PODMAN}, "", "podman"),
        ({"docker": DOCKER, "podman": PODMAN}, "podman", "podman"),
    ],
    ids=["both", "no daemon", "a daemon that hangs", "podman-docker", "podman alone", "asked"],
)
def test_the_first_engine_that_works(installed, monkeypatch, scripts, asked, name):
    monkeypatch.setattr(engines, "ANSWER", 0.5)
    installed(**scripts)
    assert find_engine(asked).name == name


@pytest.mark.parametrize(
    ("scripts", "asked", "why"),
    [
        (
            {"docker": DEAD},
            "",
            "docker: Cannot connect to the Docker daemon. Is it running?; podman: not found on the PATH",
        ),
        ({"docker": DEAD, "podman": PODMAN}, "docker", "docker: Cannot connect to the Docker daemon. Is it running?"),
        ({"docker": "exit 3"}, "docker", "docker: `PLACE/docker version` ended with exit code 3"),
        ({"docker": SILENT}, "docker", "docker: no answer within 0.5 s (`PLACE/docker version`)"),
        ({"docker": PODMAN}, "docker", "docker: is podman by another name"),
    ],
)
def test_no_engine_is_one_line_with_the_reason(installed, monkeypatch, tmp_path, scripts, asked, why):
    monkeypatch.setattr(engines, "ANSWER", 0.5)
    installed(**scripts)
    with pytest.raises(BadInputError) as error:
        find_engine(asked)
    why = why.replace("PLACE", str(tmp_path / "engines"))
    assert str(error.value) == f"no engine for images ({why}); expected docker with its daemon, or podman"


def test_images_are_pushed_by_the_engine_that_built_them(installed):
    installed(docker=DOCKER, podman=PODMAN)
    references = {**build("data", engine="podman"), **build("train")}
    assert [call.split()[:2] for call in installed.called()] == [["podman", "build"], ["docker", "build"]]
    assert {role: note["engine"] for role, note in builds.read_notes().items()} == {"data": "podman", "train": "docker"}
    assert builds.push(["data", "train"], "") == {role: f"{name}@{DIGEST}" for role, name in references.items()}
    first, second = installed.called()
    assert first.startswith("podman push --digestfile ")
    assert first.endswith(references["data"])
    assert second == f"docker push {references['train']}"


def test_another_engine_than_the_one_that_built_it_is_one_line_before_anything_is_pushed(installed):
    installed(docker=DOCKER, podman=PODMAN)
    build("data", engine="docker")
    build("train", engine="podman")
    installed.called()
    with pytest.raises(BadInputError) as error:
        builds.push(["data", "train"], "docker")
    assert str(error.value) == (
        "image train: podman built it, so docker does not have it; push it with --engine podman, or run: "
        "gleaner images build train --engine docker"
    )
    assert installed.called() == []
    installed(docker=DEAD)
    with pytest.raises(BadInputError, match="docker: Cannot connect to the Docker daemon"):
        builds.push(["train", "data"], "")
    assert installed.called() == []


@pytest.mark.parametrize(("docker", "used"), [(DOCKER, "docker"), (DEAD, "podman")])
def test_notes_of_before_name_no_engine(installed, docker, used):
    installed(docker=docker, podman=PODMAN)
    builds.NOTES.parent.mkdir()
    builds.NOTES.write_text(json.dumps({"data": {"commit": "c", "reference": "example.org/x:1", "digest": ""}}))
    assert builds.push(["data"], "") == {"data": f"example.org/x:1@{DIGEST}"}
    assert [call.split()[0] for call in installed.called()] == [used]


@pytest.mark.parametrize(
    ("registry", "local"),
    [
        ("localhost:5001", True),
        ("127.0.0.1:5001", True),
        ("127.8.9.10:5001", True),
        ("[::1]:5001", True),
        ("localhost", False),
        ("localhost.example.org:5001", False),
        ("127.0.0.1.example.org:5001", False),
        ("0.0.0.0:5001", False),
        ("10.0.0.1:5001", False),
        ("[::2]:5001", False),
        ("example.org:5001", False),
        ("example.org/localhost:5001", False),
    ],
)
def test_a_registry_on_this_machine(registry, local):
    assert is_on_loopback(f"{registry}/ml/x:1") == local
    assert parts(f"{registry}/ml/x:1") == {"newName": f"{registry}/ml/x", "newTag": "1"}


@pytest.mark.parametrize("engine", ["docker", "podman"])
@pytest.mark.parametrize("registry", ["localhost:5001", "example.org:5001"])
def test_http_is_for_podman_and_registries_on_this_machine_only(installed, registry, engine):
    installed(docker=DOCKER, podman=PODMAN)
    is_http = [engine, registry] == ["podman", "localhost:5001"]
    build("data", engine=engine, registry=f"{registry}/ml", base="docker.io/library/python:3")
    builds.push(["data"], engine)
    built, pushed = installed.called()
    assert "tls" not in built, "what a build pulls is its base"
    assert (" --tls-verify=false " in pushed) == is_http
    build("data", engine=engine, base=f"{registry}/python:3")
    builds.push(["data"], engine)
    built, pushed = installed.called()
    assert (" --tls-verify=false " in built) == is_http
    assert "tls" not in pushed


def test_a_push_that_fails_is_told_in_one_line(installed):
    installed(docker=DOCKER, podman=PODMAN)
    build("data", engine="podman")
    installed(podman=PODMAN + "[ $1 != push ]")
    with pytest.raises(FailedError, match="podman push failed \\(exit code 1\\)"):
        builds.push(["data"], "")


@pytest.mark.images
def test_build_and_push_beside_a_docker_without_a_daemon(registry, tmp_path):
    """A real podman, with a base in the registry, and no word about http in its configuration."""
    (tmp_path / "docker").write_text(f"#!/bin/sh\n{DEAD}\n")
    (tmp_path / "docker").chmod(0o755)
    environment = configure(tmp_path)
    environment["PATH"] = f"{tmp_path}{os.pathsep}{environment['PATH']}"
    clone = tmp_path / "clone"
    git = ["git", "-C", str(clone), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    (clone / "docker" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE} AS data\nCOPY LICENSE /\n")
    subprocess.run([*git, "commit", "--quiet", "--all", "--message", "An image of one file"], check=True)
    made = Built(clone, environment, registry, {})
    base = f"{registry}/library/tiny:1"
    with tarfile.open(tmp_path / "base.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("etc/empty"), io.BytesIO())
    for words in (
        ["import", str(tmp_path / "base.tar"), base],
        ["push", "--tls-verify=false", base],
        ["rmi", base],
    ):
        answer = made.podman(*words)
        assert answer.returncode == 0, answer.stderr

    built = made.gleaner("images", "build", "data", "--base", base, "--registry", f"{registry}/ml")
    assert built.returncode == 0, built.stderr
    notes = json.loads((clone / ".gleaner" / "images.json").read_text(encoding="utf-8"))
    assert notes["data"]["engine"] == "podman"
    pushed = made.gleaner("images", "push", "data")
    assert pushed.returncode == 0, pushed.stderr
    reference = parts(pushed.stdout.split()[1])
    manifest = urllib.request.Request(
        f"http://{registry}/v2/ml/gleaner-data/manifests/{reference['newTag']}",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
    )
    with urllib.request.urlopen(manifest) as answer:
        assert answer.headers["Docker-Content-Digest"] == reference["digest"]
    other = made.gleaner("images", "push", "data", "--engine", "docker")
    assert (other.returncode, other.stdout) == (2, "")
    assert other.stderr.startswith("error: image data: podman built it, so docker does not have it; ")
    assert other.stderr.count("\n") == 1
    made.podman("rmi", built.stdout.split()[1], base)
