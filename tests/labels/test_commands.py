"""`gleaner labels …`: from a run configuration to the label store, in a folder and in an object store."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.labels.commands import main
from components.labels.store import Renaming
from pipelines.local.seaweedfs import find_weed
from tests.labels.test_store import answer, labels
from tests.labels.world import World

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
SEED = """
from components.common.storage import open_store
from tests.labels.test_store import LabelStore, answer

store = open_store("s3://gleaner")
store.make_bucket()
LabelStore(store, "digits").append([answer("a" * 64, "kat")])
"""


def config(folder: Path, **values: str) -> Path:
    path = folder / "my.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "name": "digits", "source": "none", **values}))
    return path


def gleaner(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pipelines.__main__", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT, check=False)


def call(folder: Path, *words: str) -> int:
    """Exit code of a command on the labels of `digits` in a folder."""
    try:
        main([words[0], "--name", "digits", "--store", str(folder), *words[1:]])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_a_configuration_says_which_labels(tmp_path):
    labels(tmp_path / "objects").append([answer("a" * 64, "kat")])
    config(tmp_path, store="objects")
    done = gleaner(tmp_path, "labels", "rename", "kat", "cat", "-c", "my.yaml", "--annotator", "ann")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "kat is called cat now: 1 answers; gleaner labels rename cat kat calls it back\n"
    [renaming] = labels(tmp_path / "objects").read().renamings
    assert renaming == Renaming("kat", "cat", "ann", renaming.time)


@pytest.mark.skipif(find_weed() is None, reason="no SeaweedFS on this machine")
def test_the_object_store_of_a_configuration_is_served(tmp_path, temporary):
    """In the server's own process group: whoever asks first starts it."""
    (temporary / "objects").mkdir()
    config(tmp_path, store="s3://gleaner", object_store=str(temporary / "objects"))
    made = gleaner(tmp_path, "store", str(temporary / "objects"), sys.executable, "-c", SEED)
    assert made.returncode == 0, made.stderr
    for folder in ([], ["--object-store", str(temporary / "objects")]):
        done = gleaner(tmp_path, "labels", "rename", "kit", "cat", "-c", "my.yaml", *folder)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "error: labels: rename: there is no class 'kit'; did you mean 'kat'?; expected one of 'kat'\n"
        )


def test_an_object_store_that_is_not_there_is_one_line(tmp_path):
    config(tmp_path, store="s3://gleaner", object_store="nowhere")
    done = gleaner(tmp_path, "labels", "rename", "kat", "cat", "-c", "my.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    expected = "nowhere: no such folder; expected an object store, which `gleaner run` makes"
    assert done.stderr == f"error: labels: {expected}\n"


def test_without_a_store_the_command_says_what_to_give(tmp_path):
    done = gleaner(tmp_path, "labels", "rename", "kat", "cat")
    assert done.returncode == 2
    assert done.stderr.startswith("error: labels: which labels? give -c my.yaml, a run configuration, or --name NAME")


@pytest.mark.parametrize("words", [("--help",), ("rename", "--help"), ("rename", "--help", "-c", "nowhere.yaml"), ()])
def test_help_needs_no_labels(tmp_path, words):
    done = gleaner(tmp_path, "labels", *words)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: gleaner labels")
    assert "examples:\n  gleaner labels " in done.stdout


def test_a_class_is_renamed_and_merged_and_answers_stay(tmp_path, capsys):
    store = labels(tmp_path)
    store.append([answer("a" * 64, "kat"), answer("b" * 64, "cat", 1), answer("c" * 64, "dog", 2)])
    assert call(tmp_path, "rename", "kat", "cat") == 0
    assert capsys.readouterr().out == "kat is merged into cat: 1 answers\n"
    assert [one.label for one in store.read().answers] == ["kat", "cat", "dog"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["kat", "cat"],
            "error: labels: rename: there is no class 'kat'; did you mean 'cat'?; expected one of 'cat'",
        ),
        (["cat", "cat"], "error: labels: rename: got 'cat' and 'cat'; expected two names of classes"),
        (["cat", " "], "error: labels: rename: got 'cat' and ' '; expected two names"),
    ],
)
def test_a_renaming_that_means_nothing_is_refused(tmp_path, capsys, words, said):
    store = labels(tmp_path)
    store.append([answer("a" * 64, "cat")])
    assert call(tmp_path, "rename", *words) == 2
    assert capsys.readouterr().err.startswith(said)
    assert store.read().renamings == []


def test_a_class_of_the_source_is_renamed_before_anybody_answers(tmp_path, capsys):
    world = World(tmp_path)
    assert world.call("rename", "dog", "hound") == 0
    assert world.call("rename", "dog", "wolf") == 2
    assert "there is no class 'dog'; " in capsys.readouterr().err
    assert world.call("import", world.csv("a.csv", [(0, "dog"), (1, "hound")])) == 0
