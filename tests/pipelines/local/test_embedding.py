"""The fan-out of sample by the local runner: real tasks, side by side, whose joined embeddings are those of one."""

import io
from pathlib import Path
from typing import Any

from kfp import dsl

from components.ingest.example import write_example
from components.plan.component import plan
from components.pretrain.component import pretrain
from pipelines.local.progress import Lines
from pipelines.local.record import Run, new_run
from pipelines.local.run import run_pipeline
from pipelines.training import ingested, picked
from tests.pipelines.local.test_workers import FORM

TINY = {
    "seed": 0,
    "threads": 1,
    "ingest": {"mode": "L", "processes": 1, "labels": "none"},
    "pretrain": {"architecture": "resnet9", "width": 4, "image_size": 8, "batch_size": 64, "loader": "torch"},
    "sample": {"validation_budget": 5, "calibration_budget": 5, "test_budget": 5},
}
FILLED = {**FORM, "pretrain_epochs": 0, "sample_label_access": "file", "sample_train_budget": 5}


@dsl.pipeline(name="until-sample")
def until_sample(source: str, name: str, store: str, settings: dict) -> None:
    places = {"name": name, "source": source, "store": store}
    told = plan(settings=settings, **{**FILLED, **places}).outputs
    data = ingested(told["parts"], settings=told["ingest"], **places)
    encoder = pretrain(dataset=data, store=store, settings=told["pretrain"]).outputs["encoder"]
    picked(told["slices"], settings=told["sample"], encoder=encoder, name=name, store=store)


def start(folder: Path, workers: int) -> tuple[Run, list[str]]:
    screen = io.StringIO()
    run = new_run(folder, "digits", Lines(screen), threads=1)
    sample: Any = TINY["sample"]
    settings = {**TINY, "sample": {**sample, "workers": workers}}
    arguments = {"source": str(folder / "in"), "name": "digits", "store": str(folder / "store"), "settings": settings}
    run_pipeline(until_sample.pipeline_spec, arguments, run, folder / "cache")
    return run, sorted(line for line in screen.getvalue().splitlines() if line.endswith((": started", ": cached")))


def test_embeddings_of_three_workers_are_those_of_one_and_workers_run_once(tmp_path: Path) -> None:
    write_example("digits", tmp_path / "in")  # eight batches
    one, said = start(tmp_path, 1)
    assert said == [f"{name}: started" for name in ("embed", "ingest", "pack", "plan", "pretrain", "sample")]
    three, said = start(tmp_path, 3)
    cached = [f"{name}: cached" for name in ("ingest", "pack", "pretrain")]
    fresh = [f"{name}: started" for name in ("embed", "embed-2", "embed-3", "plan", "sample")]
    assert said == sorted([*cached, *fresh])
    digests = [
        stage.outputs["embeddings"]["metadata"]["digest"]
        for run in (one, three)
        for stage in run.stages
        if stage.name == "sample"
    ]
    assert digests[0] == digests[1]
    _, said = start(tmp_path, 3)
    assert [line for line in said if line.endswith("started")] == []
