"""`gleaner submit` and `gleaner schedules`, as a person or a pod calls them."""

import signal
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import kfp_server_api as api
import pytest

from components.common.errors import BadInputError
from pipelines.__main__ import main
from pipelines.configuration.version import COMPILED, PIPELINE, version_name
from pipelines.kubeflow import submit
from tests.pipelines.kubeflow.gitops import NIGHTLY, OURS, write_git
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import Fault, KfpServer


@pytest.fixture(autouse=True)
def unnamed(monkeypatch: pytest.MonkeyPatch, kfp_hurry: None) -> None:
    """No server of the environment, and no S3 to list the source on."""
    for name in (
        "KF_PIPELINES_ENDPOINT",
        "KF_PIPELINES_NAMESPACE",
        "KF_PIPELINES_SA_TOKEN_PATH",
        "KF_PIPELINES_UI_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(submit, "source_fingerprint", lambda source: f"listing of {source}")


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def config(folder: Path) -> str:
    write_git(folder, {})
    return str(folder / "run.yaml")


def test_a_run_is_started(tmp_path, capsys):
    with serve(multi_user=True) as server:
        assert (
            call(
                "submit",
                config(tmp_path),
                "seed=7",
                "--host",
                server.url,
                "--namespace",
                "team",
                "--experiment",
                "trials",
                "--service-account",
                "robot",
            )
            == 0
        )
        [run] = server.runs
        assert capsys.readouterr().out == f"run: {server.url}/#/runs/details/{run.run_id}\n"
        assert run.runtime_config.parameters["seed"] == 7
        assert run.runtime_config.parameters["source_version"] == "listing of s3://bucket/images"
        assert run.display_name.startswith("digits-2")
        assert run.service_account == "robot"
        assert run.pipeline_version_reference.pipeline_version_id == server.versions[0].pipeline_version_id
        assert (server.versions[0].name, server.experiments[0].display_name) == (version_name(), "trials")


def test_a_run_gets_the_version_with_the_pods_of_its_configuration(tmp_path, capsys):
    gpu = COMPILED.parents[1] / "configs" / "gpu.yaml"
    with serve() as server:
        assert call("submit", str(gpu), "--host", server.url) == 0
        assert [version.name for version in server.versions] == [version_name(COMPILED.parent / "gpu.yaml")]
        before = len(server.writes())
        assert call("submit", config(tmp_path), "resources.pretrain.cpu=7", "--host", server.url) == 2
        assert "resources: no version of the pipeline has the pods" in capsys.readouterr().err
        assert len(server.writes()) == before


def test_the_ui_may_be_elsewhere(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example/pipeline/")
    with serve() as server:
        assert call("submit", config(tmp_path), "--host", server.url, "--pipeline-version", "latest") == 0
        assert (
            capsys.readouterr().out
            == f"run: https://kubeflow.example/pipeline/#/runs/details/{server.runs[0].run_id}\n"
        )
        assert server.runs[0].pipeline_version_reference.pipeline_version_id is None


def test_a_source_that_cannot_be_listed_from_here_is_read_again(tmp_path, capsys, monkeypatch):
    def refuse(source: str) -> str:
        raise BadInputError("no credentials")

    monkeypatch.setattr(submit, "source_fingerprint", refuse)
    with serve() as server:
        assert call("submit", config(tmp_path), "--host", server.url) == 0
        assert (
            "note: ingest reads the source again, since its state cannot be told from here: no credentials"
            in capsys.readouterr().out
        )
        assert server.runs[0].runtime_config.parameters["source_version"].startswith("2")
        assert call("submit", config(tmp_path), "source_version=v3", "--host", server.url) == 0
        assert server.runs[1].runtime_config.parameters["source_version"] == "v3"


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
        if method == "GET" and path.rpartition("/")[0].endswith("/runs") and left:
            state, tasks = left.pop(0)
            run = server.runs[0]
            run.state = state
            run.run_details = api.V2beta1RunDetails(task_details=tasks)
            run.finished_at = run.created_at + timedelta(seconds=100)

    server.fault = next_scene


NOISE = [task("root", "RUNNING", 0), task("ingest-driver", "SUCCEEDED", 0, 1), task("executor", "RUNNING", 0)]


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


TWO_FAILED = [
    task("ingest", "SUCCEEDED", 0, 9),
    task("warmup", "FAILED", 30, 40, "later"),
    task("pretrain", "FAILED", 9, 20, "out of\nmemory"),
]


@pytest.mark.parametrize(
    ("state", "tasks", "line"),
    [
        ("FAILED", TWO_FAILED, "failed (1 min 40 s): pretrain: out of memory"),
        (
            "FAILED",
            [task("plan", "FAILED", 0, 9)],  # Kubeflow 2.17 gives a task no reason (kubeflow/pipelines#14007)
            "failed (1 min 40 s): plan: see kubectl -n kubeflow logs -c main --tail=5 -l "
            "pipeline/runid=RUN,app.kubernetes.io/component=plan",
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


@pytest.mark.parametrize("fault", [Fault(503), Fault(0), Fault(502, after=True), Fault(0, after=True)], ids=str)
def test_a_lost_answer_starts_no_second_run(tmp_path, fault):
    with serve() as server:
        faults = [fault]
        server.fault = lambda method, path: (
            faults.pop() if faults and (method, path[-5:]) == ("POST", "/runs") else None
        )
        assert call("submit", config(tmp_path), "--host", server.url) == 0
        assert len(server.runs) == 1
        assert faults == []


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


def test_patience_ends(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(submit, "PATIENCE", 0.05)
    with serve() as server:
        server.fault = lambda *_: Fault(503) if server.runs else None
        assert call("submit", config(tmp_path), "--host", server.url, "--wait") == 2
        assert "answers 503" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "error: no server is named; expected --host or KF_PIPELINES_ENDPOINT"),
        (
            ["--host", "http://127.0.0.1:9"],
            "error: http://127.0.0.1:9: Failed to establish a new connection: [Errno 111] Connection refused",
        ),
        (["sed=1"], "error: override 'sed=1': unknown key 'sed'; did you mean 'seed'?"),
        (["store=here"], "run.yaml: store: got 'here', expected s3://bucket/prefix: the stages run on other machines"),
        (
            ["--pipeline-version", "v1"],
            "error: pipeline version: got 'v1', expected committed, latest or a name such as gleaner-training-",
        ),
    ],
)
def test_a_mistake_is_one_line(tmp_path, capsys, words, line):
    assert call("submit", config(tmp_path), *words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert line in said.err
    assert said.err.count("\n") == 1


def test_a_version_on_its_way_is_waited_for(tmp_path, capsys):
    with serve(store="kubernetes") as server:
        timer = threading.Timer(0.2, server.add_version, (PIPELINE, version_name()))
        timer.start()
        assert call("submit", config(tmp_path), "--host", server.url) == 0
        timer.join()
        assert capsys.readouterr().out.startswith(
            f"waiting 300 s at most: unknown pipeline '{PIPELINE}'; there are: none; expected"
        )
        assert not any("pipelines" in path for _, path in server.writes())


def test_schedules_by_command(tmp_path, capsys, monkeypatch):
    file = str(write_git(tmp_path, {"nightly": NIGHTLY}))
    with serve(multi_user=True, tokens={"secret"}) as server:
        (tmp_path / "token").write_text("secret", encoding="ascii")
        for name, value in {
            "ENDPOINT": server.url,
            "NAMESPACE": "team",
            "SA_TOKEN_PATH": str(tmp_path / "token"),
        }.items():
            monkeypatch.setenv(f"KF_PIPELINES_{name}", value)
        assert call("schedules", "plan", "--file", file) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "1 to create, 0 to disable, 0 to delete; 1 schedules in Git"
        assert server.writes() == []
        assert call("schedules", "apply", "--file", file, "--prune") == 0
        assert capsys.readouterr().out.splitlines()[-1] == "1 schedules as in Git: 1 created, 0 disabled, 0 deleted"
        assert len(server.enabled(OURS)) == 1
        (tmp_path / "token").write_text("expired", encoding="ascii")
        assert call("schedules", "apply", "--file", file) == 2
        said = capsys.readouterr().err
        assert said.startswith(
            f"error: {server.url}: the token in {tmp_path / 'token'} is not accepted, it may have expired"
        )
        assert "expired\n" not in said
        assert said.count("\n") == 1


def test_five_fields_by_command(tmp_path, capsys):
    file = write_git(tmp_path, {"nightly": {**NIGHTLY, "cron": "30 2 * * *"}})
    with serve() as server:
        assert call("schedules", "apply", "--file", str(file), "--host", server.url) == 2
        assert server.log == []
    assert "with 5 fields, expected six" in capsys.readouterr().err
