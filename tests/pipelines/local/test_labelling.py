"""Embedding and picking by the local runner: workers side by side give the bytes of one, and rounds of labelling run
what reads labels and nothing else.
"""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from kfp import dsl

from components.common.storage import open_store
from components.ingest.example import write_example
from components.labels.candidates import newest_candidates
from components.labels.store import Answer, LabelStore
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
    "sample": {"validation_budget": 5, "calibration_budget": 5, "test_budget": 5, "round_size": 4},
}
FILLED = {**FORM, "pretrain_epochs": 0, "sample_label_access": "store", "sample_train_budget": 10}


@dsl.pipeline(name="until-sample")
def until_sample(source: str, name: str, store: str, settings: dict) -> None:
    places = {"name": name, "source": source, "store": store}
    told = plan(settings=settings, **{**FILLED, **places}).set_caching_options(False).outputs  # as on a cluster
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


def answer(store: LabelStore, folder: Path, minute: int, kind: str = "class", count: int = 8) -> list[str]:
    """Somebody says of the first candidates what the name of their file tells; returns their ids."""
    found = newest_candidates(store.store, "digits")
    assert found is not None
    index = pq.read_table(max(folder.glob("store/datasets/digits/*/index.parquet")), columns=["id", "source"])
    source = dict(zip(*index.to_pydict().values(), strict=True))
    asked = [each["id"] for each in found.picks().to_pylist() if each["label"] is None][:count]
    time = datetime(2026, 3, 1, 12, minute, tzinfo=UTC)
    said = [Answer(each, kind, source[each].split("/")[-2], "Ada", time, "the page", found.round) for each in asked]
    store.append(said)
    return asked


def test_rounds_go_on_with_all_labels_so_far_and_nothing_runs_again_that_reads_no_labels(tmp_path: Path) -> None:
    write_example("digits", tmp_path / "in")
    labels = LabelStore(open_store(str(tmp_path / "store")), "digits")
    tasks = ("embed", "ingest", "pack", "plan", "pretrain", "sample")
    run, said = start(tmp_path, 1)
    assert said == [f"{name}: started" for name in tasks]
    once = [
        *(f"{name}: cached" for name in ("embed", "ingest", "pack", "pretrain")),
        "plan: started",
        "sample: started",
    ]
    asked: list[str] = []
    for number in (1, 2):
        found = newest_candidates(labels.store, "digits")
        assert found is not None
        assert (found.round, found.about["budget"]["round"]) == (number, min(4, 10 - found.about["budget"]["spent"]))
        assert not {each["id"] for each in found.picks().to_pylist() if each["label"] is None} & set(asked)
        asked += answer(labels, tmp_path, number)
        run, said = start(tmp_path, 1)
        assert said == sorted(once)
    changed = [(asked[0], "class", "9"), (asked[1], "withdrawn", None)]
    for minute, (image, kind, label) in enumerate(changed, start=30):
        before = figures(run)
        time = datetime(2026, 3, 1, 12, minute, tzinfo=UTC)
        labels.append([Answer(image, kind, label, "Ada", time, "the page", 3)])
        run, said = start(tmp_path, 1)
        assert said == sorted(once), "an image changed its label, or has none any more"
        assert figures(run)["train"] == before["train"] - (kind == "withdrawn")
    _, said = start(tmp_path, 1)
    assert [line for line in said if line.endswith("started")] == ["plan: started"]


def figures(run: Run) -> dict[str, Any]:
    return next(stage.outputs["labels"]["metadata"] for stage in run.stages if stage.name == "sample")


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
    assert [line for line in said if line.endswith("started")] == ["plan: started"]
