"""The fan-out of ingest by the local runner: real stages, side by side."""

import io
import tempfile
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.common.files import sha256_tree
from components.ingest.settings import IngestSettings
from components.ingest.stage import run as run_ingest
from components.plan.component import plan
from components.plan.form import FIELDS
from components.plan.form import fill as fill_form
from components.plan.settings import RunSettings
from pipelines.local.progress import Lines, read_progress
from pipelines.local.record import Run, new_run
from pipelines.local.run import run_pipeline
from pipelines.training import ingested
from tests.kills import SHARD, fill

FORM = {
    name: value for name, value in fill_form(RunSettings(name="a", source="b", store="c")).items() if name in FIELDS
}


@dsl.pipeline(name="only-ingest")
def only_ingest(source: str, name: str, store: str, settings: dict) -> None:
    places = {"name": name, "source": source, "store": store}
    told = plan(settings=settings, **{**FORM, **places}).outputs
    ingested(told["parts"], settings=told["ingest"], **places)


def start(folder: Path, settings: dict[str, Any]) -> tuple[Run, list[str]]:
    screen = io.StringIO()
    run = new_run(folder, "noise", Lines(screen), threads=1)
    arguments: dict[str, Any] = {"source": str(folder / "in"), "name": "noise", "store": str(folder / "store")}
    arguments["settings"] = {"ingest": settings}
    run_pipeline(only_ingest.pipeline_spec, arguments, run, folder / "cache")
    return run, sorted(line for line in screen.getvalue().splitlines() if line.endswith((": started", ": cached")))


def decoded(run: Run, name: str) -> int:
    """Files that a task has checked, by the last line of its progress."""
    return max(
        [report["done"] for line in run.log(name).read_text().splitlines() if (report := read_progress(line))],
        default=0,
    )


def test_workers_run_side_by_side_and_their_dataset_is_that_of_one(tmp_path: Path, temporary: Path) -> None:
    fill(tmp_path / "in", 24)  # three parts
    settings = {"shard_size": SHARD, "processes": 1, "workers": 5}
    run, started = start(tmp_path, settings)
    assert list(temporary.iterdir()) == []  # of the runner, the stages and their decoding processes
    names = ["ingest", "pack", "pack-2", "pack-3", "plan"]
    assert started == sorted(f"{name}: started" for name in names)
    assert sorted(stage.name for stage in run.stages) == names
    assert sum(decoded(run, name) for name in names) == 24
    assert decoded(run, "ingest") == 0, "the others have done it all"
    assert min(decoded(run, name) for name in names if "pack" in name) > 0
    alone = tmp_path / "alone"
    run_ingest(
        str(tmp_path / "in"),
        "noise",
        str(alone / "store"),
        IngestSettings(**settings),
        alone / "dataset",
        alone / "report.html",
    )
    (dataset,) = [stage.outputs["dataset"]["uri"] for stage in run.stages if stage.name == "ingest"]
    assert sha256_tree(Path(dataset)) == sha256_tree(alone / "dataset")
    assert sha256_tree(tmp_path / "store") == sha256_tree(alone / "store")
    _, again = start(tmp_path, settings)
    assert again == ["ingest: cached", *["pack: cached"] * 3, "plan: cached"]


def test_a_long_name_of_the_temporary_folder_leaves_room_for_sockets(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = temporary / ("n" * 80)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    fill(tmp_path / "in", 1)
    run, _ = start(tmp_path, {"processes": 1})  # whose decoding processes are reached by a socket
    assert [stage.name for stage in run.stages] == ["plan", "pack", "ingest"]
