"""The command line: words in, words and exit codes out."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipelines.__main__ import main

ROOT = Path(__file__).parents[2]
MNIST = str(ROOT / "pipelines" / "configs" / "mnist.yaml")


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_config_show_resolves_everything(capsys):
    assert call("config", "show", MNIST, "pretrain.epochs=3") == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["pretrain"]["epochs"] == 3
    assert shown["pretrain"]["width"] == 16
    assert shown["release"]["promote"] == "auto"
    assert shown["version"] == 2
    assert shown["evaluate"]["gates"][0] == "accuracy >= 0.9"


def test_config_schema_is_the_committed_one(capsys):
    assert call("config", "schema") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(
        (ROOT / "pipelines" / "configs" / "schema.json").read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("words", [("config", "show"), ("run",)])
def test_a_mistake_is_one_line_and_exit_code_2(capsys, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert call(*words, MNIST, "pretrain.epoch=3") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert (
        said.err
        == "error: override 'pretrain.epoch=3': unknown key 'pretrain.epoch'; did you mean 'pretrain.epochs'?\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_compile_refuses_pods_that_no_node_can_run_and_writes_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("compile", MNIST, "resources.pretrain.gpu=h100", "--output", "new") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "error: override 'resources.pretrain.gpu=h100': resources.pretrain.gpu: got 'h100', which no pool has; "
        "expected a pool with GPUs in `pools` first\n"
    )
    assert list(tmp_path.iterdir()) == []
    assert call("compile", MNIST, "--output", "new") == 0
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(str(path) for path in Path("new").iterdir())


def test_help_names_every_command(capsys):
    assert call("--help") == 0
    text = capsys.readouterr().out
    for command in ("run", "compile", "config", "store", "example", "predict", "labels", "release", "serve", "version"):
        assert f"    {command} " in text
    assert "gleaner run pipelines/configs/mnist.yaml" in text
    assert max(map(len, text.splitlines())) <= 110
    assert call("run", "--help") == 0
    assert "--workdir" in capsys.readouterr().out
    assert call("rum") == 2


@pytest.mark.parametrize("group", [(), ("config",), ("images",), ("schedules",)])
def test_a_group_without_a_command_prints_its_help(capsys, group):
    assert call(*group) == 0
    alone = capsys.readouterr()
    assert call(*group, "-h") == 0
    asked = capsys.readouterr()
    assert alone == asked
    assert alone.out.startswith(" ".join(["usage: gleaner", *group]))
    assert "example" in alone.out


@pytest.mark.parametrize(
    "words",
    [
        "run",
        "compile",
        "config show",
        "config schema",
        "store",
        "submit",
        "schedules plan",
        "schedules apply",
        "schedules schema",
        "images build",
        "images push",
        "images pin",
        "example",
        "predict",
        "release list",
        "release show",
        "release approve",
        "release reject",
        "release rollback",
        "release sync",
        "release history",
    ],
)
def test_every_command_has_help_under_its_own_name(words):
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", *words.split(), "-h"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: gleaner {words} ")
    assert f"  gleaner {words} " in done.stdout


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version(capsys, word):
    assert call(word) == 0
    assert re.fullmatch(r"gleaner \d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["example", "cifar", "x"], "invalid choice"),
        (["predict", "nowhere", "a.png"], "error: predict: nowhere"),
    ],
)
def test_commands_of_stages_take_all_that_follows(tmp_path, words, expected):
    command = [sys.executable, "-m", "pipelines", *words]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_is_130(monkeypatch, capsys):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.local.run.run_config", interrupted)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert call("run", MNIST, "object_store=null") == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        # a wrong key is told at once
        ("pipelines.__main__, pipelines.configuration.config", ("kfp", "torch", "numpy", "rich", "boto3")),
        ("pipelines.local.run, pipelines.training", ("torch", "numpy", "pyarrow", "PIL")),
    ],
)
def test_what_need_not_be_imported_is_not(imported, absent):
    code = f"import sys, {imported}; print(sorted({set(absent)} & sys.modules.keys()))"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
