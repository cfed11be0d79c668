"""The small pod against an API server of ours: what it makes, says and leaves, through restarts and cancellation."""

import json
import signal
from typing import Any

import pytest

from components.common.storage import open_store
from tests.manifests.kubectl import ROOT, build, named
from tests.trainjob.pod import POD, SPEC, flags, own_pod, write_outputs
from tests.trainjob.scripts import PROGRESS, fails, trains
from tests.trainjob.state import State


def test_a_stage_on_two_machines(state, started, s3_bucket, tmp_path):
    jobs = []

    def script(state: State, job: dict[str, Any]) -> None:
        jobs.append(json.loads(json.dumps(job)))
        state.job(job, suspend=True)
        state.wait(lambda: state.requests.count("watch trainjobs"))
        state.job(job, suspend=False)
        trains(tmp_path / "node")(state, job)

    state.script = script
    pod = started()
    assert pod.end() == 0, pod.err
    assert pod.out.splitlines() == ["starting", PROGRESS, "done"]
    (job,) = jobs
    name = job["metadata"]["name"]
    assert [line.removeprefix("trainjob: ") for line in pod.lines if "run" not in line] == [
        f"TrainJob {name} is made (2 nodes)",
        f"TrainJob {name} waits in queue gpu",
        f"TrainJob {name} is admitted",
    ]
    assert "trainjob: 2 of 2 pods run" in pod.lines
    assert json.loads((pod.folder / "metrics").read_text()) == {"knn_accuracy": 0.9}
    assert (pod.folder / "encoder" / "encoder.json").read_text() == "{}"
    told = json.loads((pod.folder / "executor.json").read_text())["artifacts"]
    assert told["metrics"]["artifacts"][0]["metadata"]["knn_accuracy"] == 0.9
    assert told["encoder"]["artifacts"][0]["metadata"]["architecture"] == "resnet18"
    assert len(told["encoder"]["artifacts"][0]["metadata"]["digest"]) == 64
    assert state.objects["trainjobs"] == {}
    assert list(open_store(f"{s3_bucket}/store").list("jobs/")) == []
    check_shape(job, f"{s3_bucket}/store")


def check_shape(job: dict[str, Any], store: str) -> None:
    metadata = job["metadata"]
    trainer = job["spec"]["trainer"]
    key = metadata["name"].removeprefix("gleaner-trainjob-")
    assert len(key) == 12
    assert metadata["ownerReferences"] == [
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "digits-x7k2p", "uid": "workflow-uid"}
    ]
    assert metadata["labels"] == {
        "app.kubernetes.io/part-of": "gleaner",
        "app.kubernetes.io/component": "trainjob",
        "kueue.x-k8s.io/queue-name": "gpu",
        "kueue.x-k8s.io/priority-class": "gleaner-batch",
    }
    assert job["spec"].keys() == {"runtimeRef", "trainer"}
    assert trainer.keys() == {"image", "command", "numNodes", "resourcesPerNode"}
    assert trainer["resourcesPerNode"]["limits"] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "4"}
    runtime = named(build(ROOT / "manifests" / "overlays" / "prod"), "TrainingRuntime", "gleaner-torch")
    assert job["spec"]["runtimeRef"] == {
        "apiGroup": runtime["apiVersion"].partition("/")[0],
        "kind": runtime["kind"],
        "name": runtime["metadata"]["name"],
    }
    assert flags(job) == {
        "store": store,
        "seed": "7",
        "settings": '{"epochs":2}',
        **{name: f"{store}/jobs/trainjob/{key}-of-{POD}/{name}" for name in ("dataset", "encoder", "metrics")},
    }


def test_it_finds_its_job_again_after_a_kill(state, started, tmp_path):
    def script(state: State, job: dict[str, Any]) -> None:
        pod = state.pod(job, 0, "aaaaa")
        state.say(job, pod, *(f"line {number}" for number in range(1000)))
        state.wait(lambda: "second" in state.logs)
        write_outputs(job, tmp_path / "node")
        state.say(job, pod, "last")
        state.end(job, pod, 0)
        state.job(job, Complete="done")

    state.script = script
    first = started()
    state.wait(lambda: "log pods" in state.requests)
    first.process.kill()
    first.process.communicate()
    requests = len(state.requests)
    second = started()
    state.wait(lambda: "log pods" in state.requests[requests:])
    state.logs["second"] = []
    assert second.end() == 0, second.err
    assert second.out.splitlines() == [*(f"line {number}" for number in range(980, 1000)), "last"]
    assert state.made == 1
    assert any("is there already, going on with it" in line for line in second.lines)


def test_a_node_that_is_taken_away_is_told_and_its_log_goes_on(state, started, tmp_path):
    def script(state: State, job: dict[str, Any]) -> None:
        pods = [state.pod(job, index, "aaaaa") for index in range(2)]
        state.say(job, pods[0], "epoch 1")
        state.wait(lambda: state.requests.count("log pods"))
        state.end(
            job,
            pods[0],
            143,
            conditions=[{"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}],
        )
        state.put("pods", pods[0], "DELETED")
        again = state.pod(job, 0, "bbbbb")
        state.say(job, again, "going on after epoch 1", "epoch 2")
        write_outputs(job, tmp_path / "node")
        for pod in (again, pods[1]):
            state.end(job, pod, 0)
        state.job(job, Complete="done")

    state.script = script
    pod = started()
    assert pod.end() == 0, pod.err
    assert pod.out.splitlines() == ["epoch 1", "going on after epoch 1", "epoch 2"]
    (line,) = [line for line in pod.lines if "takes the place" in line]
    assert line.endswith("-node-0-0-aaaaa (preempted: TerminationByKubelet)")


def test_a_job_that_gives_way_to_another_is_told(state, started, tmp_path):
    def script(state: State, job: dict[str, Any]) -> None:
        pods = [state.pod(job, index, "aaaaa") for index in range(2)]
        state.say(job, pods[0], "epoch 1")
        state.wait(lambda: state.requests.count("log pods"))
        state.job(job, suspend=True)
        for pod in pods:
            state.put("pods", pod, "DELETED")
        state.job(job, suspend=False)
        trains(tmp_path / "node", "bbbbb")(state, job)

    state.script = script
    pod = started()
    assert pod.end() == 0, pod.err
    assert pod.out.splitlines() == ["epoch 1", "starting", PROGRESS, "done"]
    name = state.history[1][2]["metadata"]["name"]
    told = [line.removeprefix("trainjob: ") for line in pod.lines]
    assert [line for line in told if line.startswith("TrainJob")] == [
        f"TrainJob {name} is made (2 nodes)",
        f"TrainJob {name} gave way to another and waits in queue gpu",
        f"TrainJob {name} is admitted",
    ]
    assert "0 of 2 pods run" in told


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_cancelling_deletes_the_job_and_leaves_the_checkpoint(state, started, s3_bucket, number, code):
    store = open_store(f"{s3_bucket}/store")
    store.write("checkpoints/trainjob/abc.safetensors", b"so far")
    state.script = lambda state, job: state.say(job, state.pod(job, 0, "aaaaa"), "epoch 1")
    pod = started()
    state.wait(lambda: "log pods" in state.requests)
    pod.process.send_signal(number)
    assert pod.end() == code
    assert state.objects["trainjobs"] == {}
    assert store.read("checkpoints/trainjob/abc.safetensors") == b"so far"
    assert "its checkpoint stays" in pod.lines[-1]
    assert "Traceback" not in pod.err


def test_the_name_follows_from_the_work(state, started):
    names = []

    def script(state: State, job: dict[str, Any]) -> None:
        names.append(job["metadata"]["name"])
        state.job(job, Complete="without outputs")

    state.script = script
    for number, spec in enumerate(
        [SPEC, SPEC, {**SPEC, "queue": "other"}, {**SPEC, "nodes": 3}, {**SPEC, "image": "another"}]
    ):
        assert started(f"pod-{number}", spec=spec).end() == 1
    assert len(set(names)) == 3
    assert names[0] == names[1] == names[2]


def test_the_role_gives_exactly_the_rights_that_are_used(state, started, tmp_path):
    state.script = fails({0: 1, 1: 1}, {0: ["x"], 1: ["y"]}, {0: "", 1: ""})
    started("first").end()

    def script(state: State, job: dict[str, Any]) -> None:
        state.wait(lambda: len(state.owners()) == 2)
        trains(tmp_path / "node")(state, job)

    state.script = script
    own_pod(state, "pod-of-another", "another", "uid-of-another")
    pods = [started("second"), started("third", POD_NAME="pod-of-another")]
    assert [pod.end() for pod in pods] == [0, 0]
    rules = named(build(ROOT / "manifests" / "overlays" / "prod"), "Role", "gleaner-trainjobs")["rules"]
    assert {
        f"{resource}: {verb}" for rule in rules for resource in rule["resources"] for verb in rule["verbs"]
    } == state.rights
    assert {group for rule in rules for group in rule["apiGroups"]} == {"", "trainer.kubeflow.org"}
