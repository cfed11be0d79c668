"""`gleaner submit --wait` says what Kubeflow's API does not: why a pod does not begin, and why one ended."""

from typing import Any

import pytest

from components.common.kubeflow.server import connect
from pipelines.kubeflow import waiting
from pipelines.kubeflow.workflow import first_failure, read_pods
from tests.pipelines.kubeflow.argo import pod, workflow
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import FAULTS, Fault, KfpServer
from tests.pipelines.kubeflow.test_follow import play, task
from tests.pipelines.kubeflow.test_submit import call, config, unnamed  # noqa: F401 - a fixture

NO_CPU = (
    "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
    "1 No preemption victims found for incoming pod."
)
TIMES = [f"2026-11-27T10:0{minute}:00Z" for minute in range(10)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time as it is told to who waits: each look at the pods is 40 s after the one before."""
    now = [0.0]
    monkeypatch.setattr(waiting, "monotonic", lambda: now[0])
    return now


def look(server: KfpServer, clock: list[float], *scenes: dict[str, Any] | None) -> list[str]:
    """What is said at the looks at a run, one scene each."""
    said: list[str] = []
    server.runs.append(run := task("run", "RUNNING", 0))
    run.run_id = "r1"
    run.display_name = "digits-1"
    pods = waiting.Waiting(connect(server.url, "team"), "r1", said.append)
    for scene in scenes:
        clock[0] += 40
        server.workflow = scene
        pods.look()
    return said


def test_a_pod_that_no_node_takes_is_told_once_with_the_reason(clock):
    full = workflow(pod("pack", "Pending", NO_CPU))
    no_image = workflow(pod("pack", "Pending", "ErrImagePull: no such image"))
    with serve(multi_user=True) as server:
        said = look(server, clock, full, full, full, full, no_image, full, workflow(pod("pack", "Running")))
        assert server.rights() == {"runs: get"}, "whoever may see the run may see its pods' reasons"
    see = "see kubectl -n team describe pod -l pipeline/runid=r1,app.kubernetes.io/component=pack"
    assert said == [
        f"pack: has not begun for 1 min: 0/1 nodes are available: 1 Insufficient cpu; {see}",
        f"pack: has not begun for 2 min: ErrImagePull: no such image; {see}",
    ]


def test_a_pod_that_begins_in_time_is_not_mentioned(clock):
    starting = workflow(pod("plan", "Pending", "PodInitializing"))
    with serve() as server:
        assert look(server, clock, starting, starting, workflow(pod("plan", "Running"))) == []


def test_packing_pods_share_what_is_said(clock):
    full = workflow(
        *(pod("pack", "Pending", NO_CPU) | {"name": f"x.iteration({i}:{i}).pack.executor(0)"} for i in range(8))
    )
    with serve() as server:
        assert len(look(server, clock, full, full, full, full)) == 1


@pytest.mark.parametrize("message", ["", NO_CPU])
def test_a_driver_of_kubeflow_waits_too(clock, message):
    full = workflow(pod("pretrain-driver", "Pending", message))
    with serve() as server:
        [line] = look(server, clock, full, full, full)
    reason = ": 0/1 nodes are available: 1 Insufficient cpu" if message else ""
    assert line == (
        f"pretrain-driver: has not begun for 1 min{reason}; see kubectl -n kubeflow describe pod -l pipeline/runid=r1"
    )


def test_a_pod_that_is_started_again_is_told(clock):
    gone = pod("pseudolabel", "Error", "pod deleted", finished=TIMES[1])
    with serve() as server:
        said = look(
            server,
            clock,
            workflow(gone),
            workflow(gone, pod("pseudolabel", "Running", attempt=1)),
            workflow(gone, pod("pseudolabel", "Succeeded", attempt=1)),
        )
    assert said == ["pseudolabel: started again (pod deleted)"]


def test_a_server_that_tells_nothing_of_pods_is_told_once_with_the_command_that_does(clock):
    with serve() as server:
        said = look(server, clock, *(None for _ in range(6)))
    assert said == [
        "note: this server does not tell whether the pods of a task have begun; "
        "see kubectl -n kubeflow get pods -l pipeline/runid=r1"
    ]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_of_the_server_is_no_answer_and_no_error(fault):
    with serve() as server:
        connected = connect(server.url)
        server.fault = lambda *_: fault
        assert read_pods(connected, "r1") is None


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        {},
        {"status": None},
        {"status": {"nodes": []}},
        {"status": {"nodes": {"a": {"type": "Pod"}}}},
        {"status": {"nodes": {"a": 5}}},
        {"status": {"compressedNodes": "@"}},
        {"status": {"compressedNodes": "H4sIAAAA"}},
        workflow(pod("plan", "Failed") | {"inputs": {"parameters": [{"name": "pod-spec-patch", "value": "{"}]}}),
    ],
    ids=str,
)
def test_another_shape_is_no_answer_and_no_error(clock, manifest):
    with serve() as server:
        assert look(server, clock, manifest) == []
        assert not read_pods(connect(server.url), "r1")


def test_a_slow_server_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("pipelines.kubeflow.workflow.TIMEOUT", (0.1, 0.1))
    with serve() as server:
        connected = connect(server.url)
        server.fault = lambda *_: Fault(503, delay=1)
        assert read_pods(connected, "r1") is None


def test_a_long_list_of_nodes_is_unpacked():
    with serve() as server:
        server.runs.append(run := task("run", "RUNNING", 0))
        run.run_id = "r1"
        run.display_name = "digits-1"
        failed = pod("pretrain", "Failed", "main: OOMKilled (exit code 1)", finished=TIMES[3])
        read = []
        for packed in (False, True):
            server.workflow = workflow(failed, packed=packed)
            read.append(read_pods(connect(server.url), "r1"))
    assert read[0] == read[1]
    assert read[0] is not None
    first = first_failure(read[0])
    assert first is not None
    assert (first.task, first.memory, first.out_of_memory) == ("pretrain", "4Gi", True)


KILLED = "main: OOMKilled (exit code 1)"
LOG = "see kubectl -n kubeflow logs -c main --tail=5 -l pipeline/runid=RUN"


@pytest.mark.parametrize(
    ("nodes", "line"),
    [
        (
            [pod("pretrain", "Failed", KILLED, finished=TIMES[5])],
            "pretrain: killed for want of memory: its limit is 4Gi (resources.pretrain.memory in the configuration); "
            "lower pretrain.batch_size or pretrain.image_size, or raise it",
        ),
        (
            [pod("pack", "Failed", KILLED, finished=TIMES[5])],
            "pack: killed for want of memory: its limit is 4Gi (resources.pack.memory in the configuration); "
            "lower ingest.processes or ingest.max_memory, or raise it",
        ),
        (
            [pod("ingest", "Failed", KILLED, finished=TIMES[5], memory=None)],
            "ingest: killed for want of memory: see resources.ingest.memory in the configuration; raise it",
        ),
        (
            [
                pod("warmup", "Failed", "main: Error (exit code 2)", finished=TIMES[7]),
                pod("pretrain", "Failed", KILLED, finished=TIMES[5]),
                pod("plan", "Error", "pod deleted", finished=TIMES[1]),
                pod("plan", "Succeeded", attempt=1, finished=TIMES[2]),
            ],
            "pretrain: killed for want of memory: its limit is 4Gi (resources.pretrain.memory in the configuration); "
            "lower pretrain.batch_size or pretrain.image_size, or raise it",
        ),
        (
            [pod("plan", "Failed", "main: Error (exit code 2)", finished=TIMES[5])],
            f"plan: {LOG},app.kubernetes.io/component=plan",
        ),
        (
            [
                pod(
                    "plan",
                    "Failed",
                    "Pod was active on the node longer\nthan the specified deadline",
                    finished=TIMES[5],
                )
            ],
            "plan: Pod was active on the node longer than the specified deadline; "
            f"{LOG},app.kubernetes.io/component=plan",
        ),
        ([pod("plan-driver", "Failed", KILLED, finished=TIMES[5])], f"plan-driver: {KILLED}; {LOG}"),
        ([pod("plan", "Succeeded")], f"plan: {LOG},app.kubernetes.io/component=plan"),
    ],
)
def test_the_last_line_says_what_failed_first_and_why(tmp_path, capsys, nodes, line):
    with serve() as server:
        server.workflow = workflow(*nodes)
        unnamed_task = task("plan", "FAILED", 0, 9)
        unnamed_task.display_name = None
        play(server, ("FAILED", [task("plan", "FAILED", 0, 9), unnamed_task]))
        assert call("submit", config(tmp_path), "--host", server.url, "--wait") == 1
        [run] = server.runs
        assert capsys.readouterr().err == (
            f"run {run.display_name}: failed (1 min 40 s): {line.replace('RUN', run.run_id)}\n"
        )


def test_of_a_run_that_somebody_ended_pods_say_nothing(tmp_path, capsys):
    with serve() as server:
        server.workflow = workflow(
            pod("plan", "Failed", "workflow shutdown with strategy:  Terminate", finished=TIMES[5])
        )
        play(server, ("CANCELED", [task("plan", "CANCELED", 0, 9)]))
        assert call("submit", config(tmp_path), "--host", server.url, "--wait") == 1
        [run] = server.runs
        assert capsys.readouterr().err == f"run {run.display_name}: canceled (1 min 40 s)\n"
        assert not [path for _, path in server.log if "v1beta1" in path]


def test_waiting_is_part_of_following(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(waiting, "LOOK", 0.0)
    monkeypatch.setattr(waiting, "SLOW", 0.03)
    with serve(multi_user=True, tokens={"secret-of-mine"}) as server:
        token = tmp_path / "token"
        token.write_text("secret-of-mine", encoding="ascii")
        monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token))
        server.workflow = workflow(pod("pack", "Pending", NO_CPU))
        busy = ("RUNNING", [task("pack", "RUNNING", 0)])
        play(server, *[busy] * 20, ("SUCCEEDED", [task("pack", "SUCCEEDED", 0, 9)]))
        assert call("submit", config(tmp_path), "--host", server.url, "--namespace", "team", "--wait") == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[1] == "pack: running"
    assert lines[2].startswith(
        "pack: has not begun for 0 min: 0/1 nodes are available: 1 Insufficient cpu; see kubectl"
    )
    assert lines[3] == "pack: succeeded (9.0 s)"
    assert "secret-of-mine" not in said.out + said.err
