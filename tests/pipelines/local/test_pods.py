"""A pipeline compiled for large pods runs on this machine."""

import os

from kfp import dsl

from pipelines.compiling.pods import with_pods
from pipelines.configuration.resources import Pool, Resources, TaskResources
from pipelines.local.progress import Lines
from pipelines.local.record import new_run
from pipelines.local.run import run_pipeline


@dsl.container_component
def plan(settings: dict, after: dsl.Output[dsl.Artifact], figures: dsl.Output[dsl.Metrics]):
    return dsl.ContainerSpec(
        image="toy",
        command=["python", "-m", "tests.toy"],
        args=[
            "--executor-input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
            "--before",
            "",
            "--settings",
            settings,
            "--after",
            after.path,
            "--figures",
            figures.path,
        ],
    )


@dsl.pipeline(name="one", description="One task.")
def one(settings: dict) -> None:
    plan(settings=settings)


def test_this_machine_runs_a_pipeline_whose_pods_want_more_than_it_has(tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "TOY_JOURNAL", str(tmp_path / "journal"))
    greedy = TaskResources(cpu=512, memory="1Ti", gpu="nvidia-l4", gpus=8, shm="8Gi")
    pipeline = with_pods(one, Resources(plan=greedy), {"gpu": Pool(gpu="nvidia-l4", gpus=8, selector={"a": "b"})})
    with (tmp_path / "screen").open("w") as screen:
        run = new_run(tmp_path, "one", Lines(screen), threads=1)
        run_pipeline(
            pipeline.pipeline_spec,
            {"settings": {"say": "alpha"}},
            run,
            tmp_path / "cache",
            digest_of=lambda module: module,
        )
    assert [stage.name for stage in run.stages] == ["plan"]
