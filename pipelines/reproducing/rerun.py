"""Run the stages of a release again, from its recorded inputs, by the commands that the compiled pipeline has."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kfp.local.status import Status
from pydantic import ValidationError

from components.common.check import KeyPath, explain, refuse_unknown
from components.common.errors import BadInputError
from components.common.files import read_json
from components.plan.settings import SHARED, RunSettings
from pipelines.configuration.files import Layer
from pipelines.local.process import StageProcess
from pipelines.local.progress import Bars, Lines
from pipelines.local.record import Run, new_run
from pipelines.reproducing.inputs import Inputs

STAGES = ("pretrain", "embeddings", "warmup", "pseudolabel", "calibrate", "evaluate", "release")
"""In order; `embeddings` is what `sample` hands on beside the labels, which are known."""
EMBEDDINGS = [
    "--dataset",
    "{{$.inputs.artifacts['dataset'].path}}",
    "--encoder",
    "{{$.inputs.artifacts['encoder'].path}}",
    "--store",
    "{{$.inputs.parameters['store']}}",
    "--settings",
    "{{$.inputs.parameters['settings']}}",
    "--embeddings",
    "{{$.outputs.artifacts['embeddings'].path}}",
]
PLACEHOLDER = re.compile(r"\{\{\$\.(inputs|outputs)\.(artifacts|parameters)\['([^']+)'\](?:\.path)?\}\}")


def rerun(inputs: Inputs, folder: Path, changes: list[Layer], display: Bars | Lines) -> dict[str, Any]:
    """Run every stage again and return the release.json of what it publishes. changes: settings that go before the
    recorded ones.

    Raises StageError where a stage fails.
    """
    settings = settings_of(inputs, changes)
    run = new_run(folder, inputs.release["dataset_name"], display, inputs.release["threads"])
    paths = {"dataset": inputs.dataset, "labels": inputs.labels}
    given = {"name": inputs.release["model"], "store": str(inputs.store)}
    with display:
        for stage, module, arguments in commands():
            told = {**given, "settings": json.dumps(settings[stage])}
            _execute(run, stage, module, arguments, paths, told)
    record = read_json(paths["release"] / "release.json")
    if not record["published"]:
        raise BadInputError(f"release: nothing was published this time: {record['why']}")
    return record["release"]


def settings_of(inputs: Inputs, changes: list[Layer]) -> dict[str, dict[str, Any]]:
    """What each stage is told, by the names of STAGES: as recorded, but for `changes`."""
    release = inputs.release
    whole = release["run"]["settings"]
    # with the round before and the champion, which a run's settings do not hold
    measured = read_json(inputs.bundle / "metrics.json")["provenance"]["evaluate"]["settings"]
    evaluate = {**measured, "champion": release["compared_with"]}
    places: dict[KeyPath, str] = {}
    for layer in changes:
        refuse_unknown(RunSettings, layer.places)
        places |= layer.places
        whole = _over(whole, layer.values)
        evaluate = _over(evaluate, layer.values.get("evaluate", {}))
    named = {"name": release["dataset_name"], "source": release["dataset_name"], "store": str(inputs.store)}
    try:
        run = RunSettings.model_validate({**whole, **named, "evaluate": evaluate}).model_dump(mode="json")
    except ValidationError as error:
        raise BadInputError(explain(RunSettings, error, places, "settings")) from None
    for key, stages in SHARED.items():
        for stage in stages:
            run[stage][key] = run[key]
    told = {stage: run[stage] for stage in STAGES if stage in run}
    told["embeddings"] = {"threads": run["threads"]}
    told["release"] = {"promote": "approval", "run": whole, "run_key": release["run"]["key"]}
    return told


def commands() -> Iterator[tuple[str, str, list[str]]]:
    """Name, module and arguments of every stage, placeholders for what it reads and writes."""
    from pipelines.training import training

    executors = training.pipeline_spec.deployment_spec["executors"]
    for stage in STAGES:
        if stage == "embeddings":
            yield stage, "components.sample.embed.whole", EMBEDDINGS
            continue
        container = executors[f"exec-{stage}"]["container"]
        yield stage, container["command"][-1], list(container["args"])[2:]  # without the executor input


def _execute(
    run: Run, stage: str, module: str, arguments: list[str], paths: dict[str, Path], told: dict[str, str]
) -> None:
    """Run one stage; `paths` learns where its outputs are."""
    folder = run.folder / stage
    written: dict[str, Path] = {}

    def filled(word: re.Match[str]) -> str:
        direction, kind, name = word.groups()
        if kind == "parameters":
            return told[name]
        if direction == "inputs":
            return str(paths[name])
        written[name] = folder / name
        return str(written[name])

    words = [PLACEHOLDER.sub(filled, word) for word in arguments]
    beside = {"outputs": {"outputFile": str(folder / stage / "executor.json"), "artifacts": {}}}
    command = ["python", "-m", module, "--executor-input", json.dumps(beside), *words]
    if StageProcess(run, "", command, "", None).run() == Status.FAILURE:
        assert run.failure is not None
        raise run.failure
    paths.update(written)


def _over(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`changes` over `values`, section by section."""
    merged = dict(values)
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = _over(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return merged
