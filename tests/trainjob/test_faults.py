"""What can go wrong between the launcher and the API server, and what is missing on a cluster."""

import dataclasses
import random
import threading
from typing import Any

import pytest

from tests.trainjob.scripts import PROGRESS, fails, trains
from tests.trainjob.state import Fault, State

FAULTS = {
    "503": [Fault(verb, status=503) for verb in ("get", "create", "list", "watch", "log", "delete")],
    "cut before": [Fault(verb) for verb in ("get", "create", "list", "watch", "log", "delete")],
    "cut after": [Fault(verb, after=True) for verb in ("get", "create", "list", "delete")],
    "429": [Fault(verb, status=429, retry_after=1, message="too many requests") for verb in ("create", "list")],
    "410": [Fault("watch", status=410, message="too old resource version") for _ in range(2)],
    "410 event": [
        Fault("watch", lines=0, event=410, message="too old resource version"),
        Fault("watch", lines=1, event=410),
    ],
    "500 event": [Fault("watch", lines=0, event=500)],
    "cut watch": [Fault("watch", lines=number) for number in (0, 1, 1, 2)],
    "400 log": [Fault("log", status=400, message='container "node" in pod "x" is waiting to start: ContainerCreating')],
    "cut log": [Fault("log", lines=number) for number in (0, 1, 1)],
}


@pytest.mark.parametrize("kind", FAULTS)
def test_faults_are_got_over(state, started, tmp_path, kind):
    state.faults = list(FAULTS[kind])
    state.script = trains(tmp_path / "node")
    pod = started()
    assert pod.end() == 0, pod.err
    assert pod.out.splitlines() == ["starting", PROGRESS, "done"]
    assert state.made == 1
    assert state.objects["trainjobs"] == {}
    assert "Traceback" not in pod.err
    if kind == "429":
        assert "trainjob: API server: 429 too many requests; asking again in 1.0 s" in pod.lines


def test_a_log_that_may_not_be_read_is_no_failure(state, started, tmp_path):
    state.faults = [Fault("log", status=403, message='pods "x" is forbidden: cannot get resource "pods/log"')]
    state.script = trains(tmp_path / "node")
    pod = started()
    assert pod.end() == 0, pod.err
    assert any(
        "cannot be read, the job goes on: namespace 'team' gives no right to GET pods" in line for line in pod.lines
    )


def test_a_history_that_is_compacted_is_listed_again(state, started, tmp_path):
    def script(state: State, job: dict[str, Any]) -> None:
        state.wait(lambda: {"watch trainjobs", "watch pods"} <= set(state.requests))
        state.faults += [Fault("watch", lines=0), Fault("watch", lines=0)]
        state.job(job, suspend=True)
        state.job(job, suspend=False)
        state.forget()
        trains(tmp_path / "node")(state, job)

    state.script = script
    pod = started()
    assert pod.end() == 0, pod.err
    assert pod.out.splitlines() == ["starting", PROGRESS, "done"]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"environment": {"POD_NAMESPACE": "other"}}, 2, "namespace 'other' gives no right to GET pods"),
        (
            {"missing_crd": True},
            2,
            "this cluster has no TrainJobs (trainer.kubeflow.org/v1alpha1); expected Kubeflow Trainer 2",
        ),
        ({"environment": {"POD_NAME": "nobody"}}, 2, "POD_NAME: no pod 'nobody'"),
        ({"environment": {"GLEANER_TRAINJOB": "{}"}}, 2, "GLEANER_TRAINJOB is not what `gleaner compile` writes"),
        (
            {
                "fault": Fault(
                    "create",
                    status=403,
                    message='admission webhook "validator.trainjob" denied the request: spec.runtimeRef: '
                    "specified trainingRuntime must be created before the TrainJob is created",
                )
            },
            2,
            "TrainingRuntime 'gleaner-torch' is missing in namespace 'team'; apply "
            "manifests/components/training-runtime there",
        ),
        (
            {
                "fault": Fault(
                    "create", status=403, message="exceeded quota: gleaner, requested: requests.nvidia.com/gpu=8"
                )
            },
            2,
            "refused to POST trainjobs (403): exceeded quota",
        ),
        ({"store": "/tmp/store"}, 2, "store: got '/tmp/store', which other machines do not see"),
    ],
)
def test_what_is_missing_is_one_line(state, started, change, code, said):
    state.missing_crd = change.get("missing_crd", False)
    state.faults = [change["fault"]] if "fault" in change else []
    pod = started(**({"store": change["store"]} if "store" in change else {}), **change.get("environment", {}))
    assert pod.end() == code
    assert pod.lines[-1].startswith("error: trainjob: ")
    assert said in pod.lines[-1]
    assert "Traceback" not in pod.err


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_it_ends_with_the_jobs_own_result(state, started, tmp_path, seed):
    """Random faults at random moments and kills of the launcher, which is started again: by Kubeflow where its pod is
    lost, by a person where it says so.
    """
    draw = random.Random(seed)
    kinds = [fault for faults in FAULTS.values() for fault in faults]
    state.faults = [dataclasses.replace(fault) for fault in draw.choices(kinds, k=draw.randint(5, 15))]
    expected = draw.choice([0, 0, 1, 2])
    state.script = (
        fails({0: expected, 1: 1}, {0: ["ValueError: x"], 1: ["y"]}, {0: "a", 1: "b"})
        if expected
        else trains(tmp_path / "node")
    )
    for number in range(12):
        pod = started(f"pod-{number}")
        if number < 3 and draw.random() < 0.6:
            threading.Timer(draw.uniform(0.5, 3), pod.process.kill).start()
        code = pod.end()
        assert "Traceback" not in pod.err
        if code >= 0 and "run it again" not in pod.err:
            break
    assert code == expected, pod.err
    if not expected:
        assert (pod.folder / "encoder" / "encoder.json").is_file()
        assert state.objects["trainjobs"] == {}
