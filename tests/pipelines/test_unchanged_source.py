"""An unchanged source is not trained on again: tasks that Kubeflow caches get equal inputs, whoever starts the run."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.ingest.pack.stage import run as run_pack
from components.ingest.settings import IngestSettings
from components.ingest.stage import run as run_ingest
from components.plan.settings import STAGES
from components.plan.stage import run as run_plan
from pipelines.configuration.config import load_config
from pipelines.configuration.version import COMPILED, parse
from pipelines.kubeflow.schedules.apply import read_git
from pipelines.kubeflow.submit import arguments
from tests.kills import fill as fill_folder

Inputs = dict[str, Any]
CHANNEL = "pipelinechannel--"


@pytest.fixture
def config(tmp_path: Path, s3_bucket: str) -> Path:
    """A configuration that a cluster can run, of a source on S3, and the schedules file beside it."""
    from components.common.storage import open_store

    fill_folder(tmp_path / "images", 8)
    images = open_store(f"{s3_bucket}/images")
    for path in sorted(path for path in (tmp_path / "images").rglob("*") if path.is_file()):
        images.write(path.name, path.read_bytes())
    run = {"version": 1, "name": "noise", "source": f"{s3_bucket}/images", "store": f"{s3_bucket}/store"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({**run, "ingest": {"workers": 2}}), encoding="utf-8")
    nightly = {"cron": "0 30 2 * * *", "config": "run.yaml"}
    (tmp_path / "schedules.yaml").write_text(
        yaml.safe_dump({"version": 1, "schedules": {"nightly": nightly}}), encoding="utf-8"
    )
    return tmp_path / "run.yaml"


def planned(form: Inputs, folder: Path) -> Inputs:
    given: Inputs = {**form, **{name: folder / name for name in ("parts", "slices", *STAGES)}}
    run_plan(**given)
    return {name: json.loads(given[name].read_text(encoding="utf-8")) for name in given.keys() - form.keys()}


def inputs_of(task: str, form: Inputs, told: Inputs) -> Inputs:
    """The parameters of `pack` or `ingest`, by which Kubeflow knows them, as the compiled pipeline wires them."""
    ir = parse(COMPILED.read_text(encoding="utf-8"))[0]
    tasks = ir["root"]["dag"]["tasks"]

    def resolved(inputs: dict[str, Any], outer: Inputs) -> Inputs:
        found = {}
        for name, spec in inputs.items():
            output = spec.get("taskOutputParameter", {})
            if output.get("producerTask") == "plan":
                found[name] = told[output["outputParameterKey"]]
            elif "componentInputParameter" in spec:
                found[name] = outer[spec["componentInputParameter"]]
        return found

    if task == "ingest":
        return resolved(tasks["ingest"]["inputs"]["parameters"], form)
    loop = tasks["for-loop-1"]
    outer = resolved(loop["inputs"]["parameters"], form)
    outer[loop["parameterIterator"]["itemInput"]] = told["parts"]
    inner = ir["components"][loop["componentRef"]["name"]]["dag"]["tasks"]["pack"]["inputs"]["parameters"]
    return resolved(inner, outer)


def test_the_first_the_second_a_submitted_and_a_scheduled_run_give_equal_inputs(config, tmp_path):
    submitted = arguments(load_config(config), config)
    (want,) = read_git(config.parent / "schedules.yaml").wanted.values()
    scheduled = want.content["parameters"]
    seen: dict[str, dict[str, Inputs]] = {"pack": {}, "ingest": {}}
    outputs = {}
    for case, form in {"first": submitted, "second": submitted, "submitted": submitted, "scheduled": scheduled}.items():
        folder = tmp_path / case
        told = planned(form, folder)
        for task in seen:
            seen[task][case] = inputs_of(task, form, told)
        if case in ("first", "second"):  # whose stages do run
            settings = IngestSettings.model_validate(told["ingest"])
            places = form["source"], form["name"], form["store"]
            packed = []
            for number, part in enumerate(told["parts"]):
                run_pack(*places, part["parts"], settings, folder / f"packed-{number}")
                packed.append((folder / f"packed-{number}").read_text(encoding="utf-8"))
            run_ingest(*places, settings, folder / "dataset", folder / "report.html", json.dumps(packed))
            outputs[case] = packed, (folder / "dataset" / "dataset.json").read_bytes()
    for task, cases in seen.items():
        assert len(cases["first"]) >= 4
        assert {json.dumps(each, sort_keys=True) for each in cases.values()} == {
            json.dumps(cases["first"], sort_keys=True)
        }, task
    assert outputs["first"] == outputs["second"]


def test_only_the_plan_is_told_the_version_of_the_source(config, tmp_path):
    plain = arguments(load_config(config), config)
    named = arguments(load_config(config, ["source_version=november"]), config)
    assert named["settings"]["source_version"] == "november"
    assert planned(plain, tmp_path / "plain") == planned(named, tmp_path / "named")
