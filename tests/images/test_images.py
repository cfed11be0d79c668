"""What is in the images, and that each stage starts in its own."""

import dataclasses
import json
import re
import subprocess

import pytest

from components.plan.settings import STAGES
from pipelines.configuration.version import COMPILED, parse
from pipelines.images.registry import ROLES
from tests.images.conftest import ROOT
from tests.images.podman import BASE, NOBODY, locked_down

pytestmark = pytest.mark.images

BUDGET = {"serve": 370, "data": 445, "train": 2300, "report": 1900}
"""MB on top of the base, at most; train and report with torch's CPU build."""
KNOWN = json.loads((ROOT / "docker" / "images.json").read_text(encoding="utf-8"))
EXECUTORS = {
    name.removeprefix("exec-"): each["container"]
    for name, each in parse(COMPILED.read_text(encoding="utf-8"))[0]["deploymentSpec"]["executors"].items()
}


LOOK = """
import importlib.util, json, os, pathlib, shutil
print(json.dumps({
    "uid": os.getuid(),
    "tools": [tool for tool in ("gcc", "cc", "g++", "make", "git", "curl") if shutil.which(tool)],
    "libraries": [name for name in ("torch", "kfp") if importlib.util.find_spec(name)],
    "writable": [folder for folder in ("/", "/etc", "/usr/local") if os.access(folder, os.W_OK)],
    "left": [name for name in ("/src", "/installed", "/locks") if pathlib.Path(name).exists() and os.listdir(name)],
}))
"""


def role(task: str) -> str:
    """The image that a task of the compiled pipeline runs in."""
    return next(role for role, reference in KNOWN.items() if reference == EXECUTORS[task]["image"])


def size(built, image: str) -> float:
    return int(built.podman("image", "inspect", "--format", "{{.Size}}", image).stdout) / 1e6


def test_a_commit_that_changes_no_file_of_an_image_is_named_in_it(built, tmp_path):
    """Though all its layers are in the engine's cache."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(built.clone), str(clone)], check=True)
    person = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", clone, *person, "commit", "--quiet", "--allow-empty", "-m", "nothing"], check=True)
    head = subprocess.run(["git", "-C", clone, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    again = dataclasses.replace(built, clone=clone)
    answer = again.gleaner(
        "images", "build", "data", "--engine", "podman", "--base", BASE, "--registry", "localhost/again"
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    (about,) = json.loads(built.podman("image", "inspect", answer.stdout.split()[1]).stdout)
    assert about["Config"]["Labels"]["org.opencontainers.image.revision"] == head.strip()


@pytest.mark.parametrize("image", ROLES)
def test_the_libraries_are_those_of_its_lock(built, image):
    """Also where layers come from the cache of a build with an older lock."""
    lock = (built.clone / "docker" / "locks" / f"{image}.txt").read_text(encoding="utf-8")
    wanted = set(re.findall(r"^([\w.-]+==[\w.+-]+) \\$", lock, re.MULTILINE))  # those without a condition
    answer = built.podman("run", "--rm", built.references[image], "python", "-m", "pip", "list", "--format=freeze")
    found = {line.replace("_", "-").lower() for line in answer.stdout.splitlines()}
    assert wanted
    assert {line.replace("_", "-").lower() for line in wanted} <= found, answer.stderr


@pytest.mark.parametrize("image", ROLES)
def test_labels_user_and_size(built, image):
    (about,) = json.loads(built.podman("image", "inspect", built.references[image]).stdout)
    commit = subprocess.run(
        ["git", "-C", built.clone, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in about["Config"]["Labels"].items()}
    assert labels["revision"] == commit
    assert labels["title"] == f"gleaner-{image}"
    assert labels["base.name"] == BASE
    assert built.references[image].endswith(f"-{commit[:12]}")
    assert about["Config"]["User"] == f"{NOBODY}:{NOBODY}"
    assert size(built, built.references[image]) - size(built, BASE) < BUDGET[image]


@pytest.mark.parametrize("image", ROLES)
def test_nothing_is_left_of_the_build(built, image):
    answer = built.podman(*locked_down(), built.references[image], "python", "-c", LOOK)
    assert json.loads(answer.stdout) == {
        "uid": NOBODY,
        "tools": [],
        "libraries": ["torch"] * (image in ("train", "report")),
        "writable": [],
        "left": [],
    }
    layers = built.podman("history", "--format", "{{.CreatedBy}}", "--no-trunc", built.references[image]).stdout
    assert "PIP_NO_CACHE_DIR=1" in layers


@pytest.mark.parametrize("task", EXECUTORS)
def test_each_stage_starts_in_its_image(built, task):
    module = EXECUTORS[task]["command"][-1]
    answer = built.podman(*locked_down(), built.references[role(task)], "python", "-m", module, "--help")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(f"usage: python -m components.{module.split('.')[1]}")
    assert set(STAGES) <= set(EXECUTORS)


def test_both_loaders_are_in_the_train_image(built):
    imports = (
        "from components.common.learning.vision import torchvision; import nvidia.dali; print(torchvision.__name__)"
    )
    answer = built.podman(*locked_down(), built.references["train"], "python", "-c", imports)
    assert answer.stdout.strip() == "torchvision", answer.stderr


@pytest.mark.parametrize("image", ROLES)
def test_the_command_line_is_in_every_image(built, image):
    answer = built.podman(*locked_down(), built.references[image])
    assert answer.stdout.startswith("usage: gleaner"), answer.stderr
