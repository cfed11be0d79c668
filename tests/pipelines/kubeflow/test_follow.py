"""`gleaner submit --wait` follows a run to its end."""

import signal
import time
from datetime import timedelta
from typing import Any

import kfp_server_api as api
import pytest

from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import Fault, KfpServer
from tests.pipelines.kubeflow.test_submit import call, config, unnamed  # noqa: F401 - a fixture


def task(name: str, state: str, start: int, end: int | None = None, error: str = "") -> Any:
    at = KfpServer().now() - timedelta(hours=1)
    return api.V2beta1PipelineTaskDetail(
        task_id=name,
        display_name=name,
        state=state,
        create_time=at,
        start_time=at + timedelta(seconds=start),
        end_time=None if end is None else at + timedelta(seconds=end),
        error=api.GoogleRpcStatus(message=error) if error else None,
    )


def play(server: KfpServer, *scenes: tuple[str, list[Any]]) -> None:
    """Each look at the run shows the next scene."""
    left = list(scenes)

    def next_scene(method: str, path: str) -> None:
        if method == "GET" and path.rpartition("/")[0].endswith("/v2beta1/runs") and left:
            state, tasks = left.pop(0)
            run = server.runs[0]
            run.state = state
            run.run_details = api.V2beta1RunDetails(task_details=tasks)
            run.finished_at = run.created_at + timedelta(seconds=100)

    server.fault = next_scene


NOISE = [task("root", "RUNNING", 0), task("ingest-driver", "SUCCEEDED", 0, 1), task("executor", "RUNNING", 0)]


TWO_FAILED = [
    task("ingest", "SUCCEEDED", 0, 9),
    task("warmup", "FAILED", 30, 40, "later"),
    task("pretrain", "FAILED", 9, 20, "out of\nmemory"),
]


def test_a_run_is_followed_to_its_end(tmp_path, capsys):
    with serve() as server:
        reading = ("RUNNING", [*NOISE, task("ingest", "RUNNING", 1)])
        play(
            server,
            ("PENDING", []),
            reading,
            reading,
            ("RUNNING", [*NOISE, task("pretrain", "RUNNING", 90), task("ingest", "SUCCEEDED", 1, 85)]),
            ("SUCCEEDED", [*NOISE, task("pretrain", "SUCCEEDED", 90, 95), task("ingest", "SUCCEEDED", 1, 85)]),
        )
        assert call("submit", config(tmp_path), "--host", server.url, "--wait") == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[1:] == [
            "ingest: running",
            "ingest: succeeded (1 min 24 s)",
            "pretrain: running",
            "pretrain: succeeded (5.0 s)",
            f"run {server.runs[0].display_name}: succeeded (1 min 40 s)",
        ]


@pytest.mark.parametrize("answers", ["null", "s3://bucket/answers.csv"])
def test_a_first_round_with_people_ends_well_and_says_where_the_images_wait(tmp_path, capsys, answers):
    asked = ("sample.label_access=file", f"sample.labels_file={answers}")
    with serve() as server:
        play(server, ("SUCCEEDED", []))
        assert call("submit", config(tmp_path), *asked, "--host", server.url, "--wait") == 0
        said = capsys.readouterr().out
    waits = "waiting for labels: the images to label are under s3://bucket/store/candidates/digits/, in the folder"
    assert (waits in said.splitlines()[-1]) == (answers == "null")


def test_a_round_of_the_label_store_ends_with_what_to_label_next(tmp_path, capsys):
    with serve() as server:
        play(server, ("SUCCEEDED", []))
        command = ("submit", config(tmp_path), "sample.label_access=store", "--host", server.url, "--wait")
        assert call(*command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "what to label next is under s3://bucket/store/candidates/digits/, and on the page that `gleaner label` opens; "
        "then run again"
    )


def test_packing_pods_share_a_line(tmp_path, capsys):
    plan = task("plan", "SUCCEEDED", 0, 5)
    ingest = task("ingest", "RUNNING", 31)
    with serve() as server:
        play(
            server,
            ("RUNNING", [task("plan", "RUNNING", 0)]),
            ("RUNNING", [plan, task("pack", "SUCCEEDED", 6, 20), task("pack", "RUNNING", 7)]),
            ("RUNNING", [plan, task("pack", "SUCCEEDED", 6, 20), task("pack", "SUCCEEDED", 7, 30), ingest]),
            ("FAILED", [plan, task("pack", "SUCCEEDED", 6, 20), task("pack", "FAILED", 7, 30), ingest]),
        )
        assert call("submit", config(tmp_path), "--host", server.url, "--wait") == 1
        said = capsys.readouterr()
        assert said.out.splitlines()[1:] == [
            "plan: running",
            "plan: succeeded (5.0 s)",
            "pack: running",
            "pack: succeeded (24.0 s)",
            "ingest: running",
            "pack: failed (24.0 s)",
        ]
        assert ": failed (1 min 40 s): pack: see kubectl" in said.err


def test_ctrl_c_leaves_the_run(tmp_path, capsys):
    def interrupt(method: str, path: str) -> None:
        if method == "GET" and server.runs:
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.1)

    with serve() as server:
        server.fault = interrupt
        assert call("submit", config(tmp_path), "--host", server.url, "--wait") == 130
        said = capsys.readouterr()
        assert said.out.splitlines()[1:] == ["no longer followed; the run goes on, and ends in Kubeflow's UI"]
        assert said.err == "interrupted\n"
        assert [run.state for run in server.runs] == ["PENDING"]


@pytest.mark.parametrize(
    ("state", "tasks", "line"),
    [
        ("FAILED", TWO_FAILED, "failed (1 min 40 s): pretrain: out of memory"),
        (
            "FAILED",
            [task("plan", "FAILED", 0, 9)],  # Kubeflow 2.17 gives a task no reason (kubeflow/pipelines#14007)
            "failed (1 min 40 s): plan: see kubectl -n kubeflow logs -c main --tail=5 -l "
            "pipeline/runid=RUN,app.kubernetes.io/component=plan; OOMKilled, if memory was wanting: "
            "kubectl -n kubeflow get workflows -l pipeline/runid=RUN -o jsonpath='{.items[*].status.nodes.*.message}'",
        ),
        ("FAILED", [], "failed (1 min 40 s): no quota"),
        ("CANCELED", [task("ingest", "CANCELED", 0, 9)], "canceled (1 min 40 s): no quota"),
    ],
)
def test_a_run_that_fails(tmp_path, capsys, state, tasks, line):
    with serve() as server:
        play(server, (state, tasks))
        scene = server.fault

        def with_error(method: str, path: str) -> None:
            if server.runs:
                server.runs[0].error = api.GoogleRpcStatus(message="no quota")
            scene(method, path)

        server.fault = with_error
        assert call("submit", config(tmp_path), "--host", server.url, "--wait") == 1
        line = line.replace("RUN", server.runs[0].run_id)
        assert capsys.readouterr().err == f"run {server.runs[0].display_name}: {line}\n"


def test_a_server_away_for_a_while_is_waited_for(tmp_path, capsys):
    with serve() as server:
        play(server, ("RUNNING", []), ("SUCCEEDED", []))
        scene = server.fault
        faults = [Fault(503), Fault(503), Fault(0)]

        def away(method: str, path: str) -> Fault | None:
            if server.runs and faults and path.rpartition("/")[0].endswith("/runs"):
                return faults.pop(0)
            return scene(method, path)

        server.fault = away
        assert call("submit", config(tmp_path), "--host", server.url, "--wait") == 0
        out = capsys.readouterr().out
        assert out.count("answers 503") == 1
        assert "the run goes on, looking again" in out
