"""The front door: what the README names is there."""

import re
import subprocess
from pathlib import Path

import pytest

from pipelines.__main__ import _parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def folder_map() -> list[str]:
    """Paths of the folder map; an indented line lies in the folder above it."""
    block = README.split("## Where things are")[1].split("```")[1]
    paths = []
    parent = ""
    for line in block.strip().splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            parent = name
        paths.append(name if name == parent else f"{parent}{name}")
    return paths


@pytest.mark.parametrize("path", folder_map())
def test_the_map_names_what_exists(path):
    assert list(ROOT.glob(path.rstrip("/")))


def test_the_map_names_every_folder():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    folders = {f"{path.split('/')[0]}/" for path in tracked if "/" in path and not path.startswith(".")}
    assert folders == {path for path in folder_map() if path.count("/") == 1 and path.endswith("/")}


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


def test_commands_are_those_that_exist():
    commands = set(re.findall(r"^\$ gleaner (\w+)", README, re.MULTILINE)) | set(re.findall(r"`gleaner (\w+)", README))
    usage = _parser().format_help()
    assert commands
    assert all(re.search(rf"^    {command}\b", usage, re.MULTILINE) for command in commands)
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(
        re.search(rf"^{target}:", targets, re.MULTILINE)
        for target in re.findall(r"\bmake (demo|test|check|bench)\b", README)
    )


def test_nothing_is_left_to_be_filled_in():
    assert "@@" not in README
