"""Two runs of equal work: one job for both, which no end of one takes from the other."""

import dataclasses
import random
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from components.common.storage import open_store
from tests.trainjob.pod import Launched, own_pod
from tests.trainjob.scripts import Script, fails, trains
from tests.trainjob.state import Fault, State

RUNS = {"first": "run-a", "second": "run-b"}


@pytest.fixture
def run(state: State, started: Callable[..., Launched]) -> Callable[[str], Launched]:
    """Start the launcher of a run, which has a pod and a workflow of its own."""

    def start(name: str) -> Launched:
        own_pod(state, f"pod-of-{name}", RUNS.get(name, name), f"uid-of-{name}")
        return started(name, POD_NAME=f"pod-of-{name}")

    return start


def once_shared(then: Script) -> Script:
    """The job goes on as soon as both runs own it."""

    def script(state: State, job: dict[str, Any]) -> None:
        state.wait(lambda: sorted(state.owners()) == ["run-a", "run-b"], 60)
        then(state, job)

    return script


def check_done(state: State, store: str, *pods: Launched) -> None:
    """All have the outputs, and nothing is left of the job."""
    for pod in pods:
        assert (pod.folder / "encoder" / "encoder.json").is_file(), pod.err
        assert (pod.folder / "executor.json").is_file()
    assert state.objects["trainjobs"] == {}
    assert list(open_store(f"{store}/store").list("jobs/")) == []


def test_two_that_start_together_share_one_job(state, run, s3_bucket, tmp_path):
    state.script = once_shared(trains(tmp_path / "node"))
    pods = [run("first"), run("second")]
    assert [pod.end() for pod in pods] == [0, 0], pods[0].err + pods[1].err
    assert state.made == 1
    assert any("does the same work for run-" in line for pod in pods for line in pod.lines)
    check_done(state, s3_bucket, *pods)


@pytest.mark.parametrize("ended", ["first", "second"])
def test_cancelling_one_does_not_end_the_other(state, run, s3_bucket, tmp_path, ended):
    go = threading.Event()

    def script(state: State, job: dict[str, Any]) -> None:
        assert go.wait(60)
        trains(tmp_path / "node")(state, job)

    state.script = script
    pods = {"first": run("first")}
    state.wait(lambda: state.owners() == ["run-a"])
    pods["second"] = run("second")
    state.wait(lambda: state.owners() == ["run-a", "run-b"])
    cancelled = pods.pop(ended)
    cancelled.process.send_signal(signal.SIGTERM)
    assert cancelled.end() == 143
    (other,) = RUNS.keys() - {ended}
    assert state.owners() == [RUNS[other]]
    name = next(iter(state.objects["trainjobs"]))
    assert cancelled.lines[-1] == f"trainjob: cancelled: TrainJob {name} goes on for {RUNS[other]}"
    go.set()
    assert pods[other].end() == 0, pods[other].err
    assert state.made == 1
    check_done(state, s3_bucket, pods[other])


def test_a_run_that_is_deleted_leaves_the_job_to_the_other(state, run, s3_bucket, tmp_path):
    """Kubernetes ends the pod, without a chance to say anything, and collects what the workflow owned."""
    go = threading.Event()

    def script(state: State, job: dict[str, Any]) -> None:
        assert go.wait(60)
        trains(tmp_path / "node")(state, job)

    state.script = script
    first = run("first")
    state.wait(lambda: state.owners() == ["run-a"])
    second = run("second")
    state.wait(lambda: state.owners() == ["run-a", "run-b"])
    first.process.kill()
    first.process.communicate()
    state.collect("uid-of-first")
    assert state.owners() == ["run-b"]
    go.set()
    assert second.end() == 0, second.err
    check_done(state, s3_bucket, second)


def test_the_last_run_that_is_deleted_takes_the_job_along(state, run):
    first = run("first")
    state.wait(lambda: state.owners() == ["run-a"])
    first.process.kill()
    first.process.communicate()
    state.collect("uid-of-first")
    assert state.objects["trainjobs"] == {}


def test_a_pod_of_no_run_owns_its_job_itself(state, started, s3_bucket, tmp_path):
    state.put(
        "pods", {"metadata": {"name": "alone", "uid": "u", "labels": {}}, "status": {"phase": "Running"}}, "ADDED"
    )
    seen: list[str] = []

    def script(state: State, job: dict[str, Any]) -> None:
        seen.extend(state.owners())
        trains(tmp_path / "node")(state, job)

    state.script = script
    pod = started(POD_NAME="alone")
    assert pod.end() == 0, pod.err
    assert seen == ["alone"]
    check_done(state, s3_bucket, pod)


def test_one_that_comes_as_the_other_ends_takes_its_result(state, run, s3_bucket, tmp_path):
    """The second joins between the first's last look at the job and its deletion."""
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "run-b", "uid": "uid-of-second"}

    def joins() -> None:
        with state.lock:
            (job,) = state.objects["trainjobs"].values()
            state.set_owners(job["metadata"]["name"], [*job["metadata"]["ownerReferences"], owner])

    state.script = trains(tmp_path / "node")
    state.before["delete"] = joins
    first = run("first")
    assert first.end() == 0, first.err
    assert state.owners() == ["run-b"]
    second = run("second")
    assert second.end() == 0, second.err
    assert state.made == 1
    check_done(state, s3_bucket, first, second)


def test_one_that_comes_too_late_makes_a_job_with_inputs_of_its_own(state, run, s3_bucket, tmp_path):
    """The first's job goes between the second's look at it and its joining; the store is cleaned at that moment."""
    state.script = lambda state, job: None
    first = run("first")
    state.wait(lambda: "log pods" in state.requests or "watch pods" in state.requests)

    def ends() -> None:
        with state.lock:
            state.delete_job(next(iter(state.objects["trainjobs"])))
            state.script = trains(tmp_path / "node")

    state.before["patch"] = ends
    second = run("second")
    assert second.end() == 0, second.err
    assert first.end() == 1
    assert "was deleted by someone else" in first.lines[-1]
    assert state.made == 2
    assert (second.folder / "encoder" / "encoder.json").is_file()


def test_a_job_that_fails_fails_both_alike(state, run):
    logs = {0: ["error: trainjob: dataset digits: 1 images; expected at least 2"], 1: ["x"]}
    state.script = once_shared(fails({0: 2, 1: 1}, logs, {0: "a", 1: "b"}))
    pods = [run("first"), run("second")]
    assert [pod.end() for pod in pods] == [2, 2]
    assert pods[0].lines[-1] == pods[1].lines[-1]
    assert "exited with 2: dataset digits: 1 images; expected at least 2" in pods[0].lines[-1]


FAULTS = [
    *(Fault(verb, status=503) for verb in ("get", "create", "patch", "delete")),
    *(Fault(verb, after=after) for verb in ("create", "patch", "delete") for after in (False, True)),
    Fault("watch", status=410, message="too old resource version"),
]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_to_one_the_other_ends_with_the_result(state, run, s3_bucket, tmp_path, seed):
    """Random faults, and the first is cancelled or killed at a random moment, from its start to its end."""
    draw = random.Random(seed)
    state.faults = [dataclasses.replace(fault) for fault in draw.choices(FAULTS, k=draw.randint(4, 8))]
    state.script = _slowly(trains(tmp_path / "node"), draw.uniform(1, 5))
    first, second = run("first"), run("second")
    ending = draw.choice([signal.SIGTERM, signal.SIGKILL])
    threading.Timer(draw.uniform(1, 7), first.process.send_signal, [ending]).start()
    assert first.end() in (0, 143, -ending), first.err
    if first.process.returncode == -signal.SIGKILL:
        state.collect("uid-of-first")
    assert second.end() == 0, second.err
    assert "Traceback" not in first.err + second.err
    assert (second.folder / "encoder" / "encoder.json").is_file()
    assert state.objects["trainjobs"] == {}


def _slowly(then: Script, seconds: float) -> Script:
    def script(state: State, job: dict[str, Any]) -> None:
        threading.Event().wait(seconds)
        then(state, job)

    return script
