"""The locks name what pyproject.toml asks for, by version and digest."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.images.conftest import ROOT

LOCKS = ROOT / "docker" / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HERE = {
    "python_version": "3.11",
    "python_full_version": "3.11.13",
    "sys_platform": "linux",
    "platform_machine": "x86_64",
}
LAYERS = {
    "common": ["heic"],
    "serve": ["serve"],
    "data": ["label", "publish"],
    "train": ["learn", "many", "dali"],
    "report": ["learn", "report"],
    "torch-cuda": ["torch"],
    "torch-cpu": ["torch"],
}


def pins(name: str) -> dict[str, str]:
    """Versions by package, for Python 3.11."""
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, str] = {}
    for line in text.splitlines():
        requirement, _, digests = line.partition(" --hash=")
        assert digests.startswith("sha256:"), f"{name}: {line[:60]}"
        parsed = Requirement(requirement)
        if parsed.marker is None or parsed.marker.evaluate(HERE):
            found[canonicalize_name(parsed.name)] = str(parsed.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("name", LAYERS)
def test_locks_hold_what_the_project_asks_for(name):
    asked = [
        *PROJECT["dependencies"],
        *(each for extra in LAYERS[name] for each in PROJECT["optional-dependencies"][extra]),
    ]
    locked = pins(name)
    for each in map(Requirement, asked):
        assert canonicalize_name(each.name) in locked, f"{name}: {each.name}; run: make lock"
        assert each.specifier.contains(locked[canonicalize_name(each.name)]), f"{name}: {each}; run: make lock"


def test_layers_agree():
    known: dict[str, str] = {}
    for name in ("common", "serve", "data", "train", "report", "torch-cuda"):
        for package, version in pins(name).items():
            assert known.setdefault(package, version) == version, package
    cpu = {package: version.removesuffix("+cpu") for package, version in pins("torch-cpu").items()}
    assert {package: known[package] for package in cpu} == cpu


@pytest.mark.parametrize(("name", "computes"), [("serve", set()), ("data", {"scipy"})])  # data: the tests of drift
def test_images_without_torch_learn_nothing_and_compile_nothing(name, computes):
    found = {"torch", "kfp", "scipy", "scikit-learn", "matplotlib"} & (pins("common") | pins(name)).keys()
    assert found == computes


def test_the_dockerfile_names_no_image_and_every_lock():
    text = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    stages = set(re.findall(r" AS ([\w-]+)", text))
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) - stages == {"${BASE}"}
    named = set(re.findall(r"/locks/([\w${}-]+)\.txt", text))
    assert {path.stem for path in LOCKS.iterdir()} == named - {"torch-${TORCH}"} | {"torch-cpu", "torch-cuda"}
