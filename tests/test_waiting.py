"""One contract for every stage after `sample`: a run that waits for labels ends well, at once, with every output."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from components.common.artifacts import Waiting, load_waiting, save_waiting
from components.common.cli import main
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_tree, write_json
from components.common.waiting import sentence
from components.plan.settings import STAGES
from components.plan.stage import SHARED

AFTER = STAGES[list(STAGES).index("sample") + 1 :]
EARLIER = ("encoder", "embeddings")  # made whether there are labels or not
STORE = "s3://bucket/x"
WAITING = Waiting("sample", "no image has a training label yet", 1180, "candidates/pets/0123abcd", "label them")
LINE = sentence(WAITING, STORE)


def declared(stage: str) -> tuple[dict[str, str], dict[str, str]]:
    """Types of the inputs and of the outputs that a stage's component declares, by name."""
    spec = getattr(importlib.import_module(f"components.{stage}.component"), stage).component_spec
    inputs, outputs = ({name: each.type for name, each in side.items()} for side in (spec.inputs, spec.outputs))
    return inputs, outputs


def pass_on(stage: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Run a stage as its pod does, while the labels and all that follows from them wait; returns the metadata of its
    outputs. What came earlier is not even there: a stage that read it would fail.
    """
    run = importlib.import_module(f"components.{stage}.stage").run
    inputs, outputs = declared(stage)
    flags: list[str] = []
    settings = {key: 1 for key, stages in SHARED.items() if stage in stages}
    for name, kind in inputs.items():
        plain = {"String": "pets", "Integer": "1", "Dict": json.dumps(settings)}
        value = STORE if name == "store" else plain.get(kind) or str(folder / "inputs" / name)
        flags += [f"--{name.replace('_', '-')}", value]
        if kind not in plain and name not in EARLIER:
            save_waiting(folder / "inputs" / name, WAITING)
    places = {name: folder / "outputs" / name for name in outputs}
    for name, path in places.items():
        flags += [f"--{name.replace('_', '-')}", str(path)]
    artifacts = {name: {"artifacts": [{"uri": str(path), "metadata": {}}]} for name, path in places.items()}
    executor_input = {"outputs": {"artifacts": artifacts, "outputFile": str(folder / "executor.json")}}
    main(run, [*flags, "--executor-input", json.dumps(executor_input)])
    written = read_json(folder / "executor.json")["artifacts"]
    return {name: entry["artifacts"][0]["metadata"] for name, entry in written.items()}


@pytest.mark.parametrize("stage", AFTER)
def test_a_stage_passes_on_that_the_run_waits(stage, tmp_path, capsys):
    _, outputs = declared(stage)
    told = pass_on(stage, tmp_path / "one")
    assert LINE in capsys.readouterr().out
    assert told.keys() == outputs.keys()
    for name, kind in outputs.items():
        path = tmp_path / "one" / "outputs" / name
        assert path.exists(), "Kubeflow wants every output that is declared"
        assert told[name]["waiting"] == LINE
        if kind.startswith("system.HTML"):
            page = path.read_text(encoding="utf-8")
            assert page.startswith("<!doctype html>")
            assert f"1,180 images at {STORE}/candidates/pets/0123abcd" in page
        elif path.is_dir() and stage != "release":
            assert load_waiting(path) == WAITING
        elif path.is_file():
            assert read_json(path) == {}
    pass_on(stage, tmp_path / "two")
    assert sha256_tree(tmp_path / "one" / "outputs") == sha256_tree(tmp_path / "two" / "outputs")


def test_the_last_one_records_why_nothing_was_released(tmp_path):
    told = pass_on("release", tmp_path)["release"]
    record = read_json(tmp_path / "outputs" / "release" / "release.json")
    assert record == {
        "format": 1,
        "model": "pets",
        "promoted": False,
        "version": "",
        "published": "",
        "why": LINE,
        "gates": [],
        "release": None,
    }
    assert (told["promoted"], told["published"], told["why"]) == (False, "", LINE)


def test_the_sentence_says_how_many_where_why_and_what_to_do():
    assert (
        sentence(WAITING, f"{STORE}/")
        == LINE
        == (
            "waiting for labels: 1,180 images at s3://bucket/x/candidates/pets/0123abcd "
            "(no image has a training label yet); label them"
        )
    )


def test_a_format_of_a_later_version_is_refused(tmp_path):
    assert load_waiting(tmp_path) is None
    write_json(tmp_path / "waiting.json", {"format": 2})
    with pytest.raises(BadInputError, match="format 2 is not one this version reads"):
        load_waiting(tmp_path)
