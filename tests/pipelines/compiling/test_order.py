"""The order of tasks in the fewest edges, and the graph that Kubeflow's UI draws of it."""

from io import StringIO
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kfp import dsl

from components.plan.settings import STAGES
from pipelines.compiling.order import direct, with_direct_order
from pipelines.configuration.version import COMPILED, parse
from pipelines.local.progress import Lines
from pipelines.local.record import new_run
from pipelines.local.run import run_pipeline
from pipelines.training import training
from tests.pipelines.local import test_run as toys

FAR = {  # edges that pass more than one stage, and why
    ("sample.embeddings", "evaluate"): "the report's map of all images",
    ("warmup.warm", "evaluate"): "what pseudo-labels gained over the warm-up",
    ("pseudolabel.classifier", "release"): "the weights to publish",
}
LOOPS = {"ingest": "for-loop-1", "sample": "for-loop-2"}  # stage -> the tasks side by side that prepare it
ORDER = ["plan", *(task for stage in STAGES for task in (LOOPS.get(stage), stage) if task)]
Needs = dict[str, set[str]]


def all_above(needs: Needs) -> Needs:
    """The slow way: every task that is reached over any number of edges."""
    reached = {task: set(wanted) for task, wanted in needs.items()}
    for _ in needs:
        reached = {task: above.union(*(reached[one] for one in above)) for task, above in reached.items()}
    return reached


@st.composite
def graphs(draw: st.DrawFn) -> Needs:
    names = [f"t{number}" for number in range(draw(st.integers(1, 7)))]
    edges = draw(st.sets(st.sampled_from(list(combinations(names, 2))))) if len(names) > 1 else set()
    return {name: {first for first, second in edges if second == name} for name in names}


@given(graphs())
def test_the_order_is_the_same_and_no_edge_can_be_spared(needs):
    fewest = direct(needs)
    assert all_above(fewest) == all_above(needs)
    for task, wanted in fewest.items():
        assert wanted <= needs[task]
        for one in wanted:
            assert all_above({**fewest, task: wanted - {one}}) != all_above(needs)


def test_a_chain_whose_tasks_take_from_far_away():
    assert direct({"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "b", "c"}}) == {
        "a": set(),
        "b": {"a"},
        "c": {"b"},
        "d": {"c"},
    }


def test_a_task_that_runs_after_failures_too_keeps_what_it_waits_for_and_stands_for_nothing():
    needs = {"a": set(), "b": {"a"}, "end": {"a", "b"}, "after": {"a", "end"}}
    assert direct(needs, {"end"}) == {"a": set(), "b": {"a"}, "end": {"a", "b"}, "after": {"a", "end"}}


@dsl.container_component
def first(
    said: dsl.OutputPath(str),  # type: ignore[valid-type]
    kept: dsl.Output[dsl.Artifact],
):
    return dsl.ContainerSpec(image="i", command=["c"], args=[said, kept.path])


@dsl.container_component
def later(said: str, kept: dsl.Input[dsl.Artifact], passed: dsl.Output[dsl.Artifact]):
    return dsl.ContainerSpec(image="i", command=["c"], args=[said, kept.path, passed.path])


@dsl.pipeline
def looped():
    begin = first()
    with dsl.ParallelFor([1, 2]):
        inner = first()
        second = later(said=inner.outputs["said"], kept=begin.outputs["kept"])
        later(said=inner.outputs["said"], kept=second.outputs["passed"])


def test_what_a_task_takes_is_not_touched_and_loops_are_put_in_order_too():
    before = looped.pipeline_spec.components["comp-for-loop-2"].dag.tasks["later-2"]
    taken = before.inputs.SerializeToString(deterministic=True)
    assert list(before.dependent_tasks) == ["first-2", "later"]
    after = with_direct_order(looped).pipeline_spec.components["comp-for-loop-2"].dag.tasks["later-2"]
    assert list(after.dependent_tasks) == ["later"]
    assert after.inputs.SerializeToString(deterministic=True) == taken


@dsl.pipeline(name="chain")
def chain(say: dict) -> None:
    begin = toys.first(settings=say)
    middle = toys.second(before=begin.outputs["after"], settings=say)
    toys.second(before=begin.outputs["after"], settings=say).after(begin, middle)


def test_tasks_that_name_only_the_direct_ones_run_in_the_same_order(tmp_path, monkeypatch):
    spec = with_direct_order(chain).pipeline_spec
    assert list(spec.root.dag.tasks["second-2"].dependent_tasks) == ["second"]
    monkeypatch.setenv("TOY_JOURNAL", str(tmp_path / "journal"))
    run = new_run(tmp_path, "chain", Lines(StringIO()), threads=1)
    run_pipeline(spec, {"say": {"say": "a"}}, run, tmp_path / "cache", fresh=True, digest_of=lambda module: module)
    assert [stage.name for stage in run.stages] == ["first", "second", "second-2"]


def drawn(ir: dict[str, Any]) -> list[tuple[str, str]]:
    """The edges into tasks that the UI draws: from artifacts, from tasks whose output parameters are taken, from tasks
    to wait for (kubeflow/pipelines, frontend/src/lib/v2/StaticFlow.ts).
    """
    edges = []
    for name, task in ir["root"]["dag"]["tasks"].items():
        inputs = task.get("inputs", {})
        taken = [each["taskOutputArtifact"] for each in inputs.get("artifacts", {}).values()]
        told = [each.get("taskOutputParameter") for each in inputs.get("parameters", {}).values()]
        edges += [(f"{one['producerTask']}.{one['outputArtifactKey']}", name) for one in taken]
        tasks = {one["producerTask"] for one in told if one} | set(task.get("dependentTasks", []))
        edges += [(one, name) for one in sorted(tasks)]
    return edges


@pytest.fixture(scope="module")
def ir() -> dict[str, Any]:
    return parse(COMPILED.read_text(encoding="utf-8"))[0]  # test_compile.py shows that it is fresh


@pytest.fixture(scope="module")
def edges(ir: dict[str, Any]) -> list[tuple[str, str]]:
    return drawn(ir)


def test_every_task_of_the_pipeline_waits_for_the_same_as_before(ir):
    plain = {name: set(task.dependent_tasks) for name, task in training.pipeline_spec.root.dag.tasks.items()}
    fewest = {name: set(task.get("dependentTasks", [])) for name, task in ir["root"]["dag"]["tasks"].items()}
    assert all_above(fewest) == all_above(plain)
    assert fewest == {name: set(ORDER[:number][-1:]) for number, name in enumerate(ORDER)}


def test_no_artifact_is_taken_by_many_tasks(edges):
    readers: dict[str, list[str]] = {}
    for start, task in edges:
        if "." in start:
            readers.setdefault(start, []).append(task)
    assert max(map(len, readers.values())) <= 3
    assert (readers["ingest.dataset"], readers["sample.labels"]) == (["pretrain"], ["warmup"])


def test_edges_are_short_or_have_a_reason(edges):
    place = {name: number for number, name in enumerate(["plan", *STAGES])}
    place |= {loop: place[stage] for stage, loop in LOOPS.items()}
    far = [
        (start, task)
        for start, task in edges
        if start != "plan"  # which hands every stage its settings, checked together
        and place[task] - place[start.partition(".")[0]] > 2
    ]
    assert sorted(far) == sorted(FAR)


def test_the_ui_tells_all_edges_apart(edges):
    """It names an edge by the artifact and the task that takes it; of two of one name it draws one."""
    names = [(start.rpartition(".")[2], task) for start, task in edges if "." in start]
    assert len(set(names)) == len(names)
