"""`gleaner submit` and `gleaner schedules`, as a person or a pod calls them."""

import itertools
from pathlib import Path

import pytest

from pipelines.__main__ import main
from pipelines.configuration.version import COMPILED, MONITORED, PIPELINE, version_name
from pipelines.kubeflow import following
from tests.pipelines.kubeflow.gitops import write_git
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import Fault


@pytest.fixture(autouse=True)
def unnamed(monkeypatch: pytest.MonkeyPatch, kfp_hurry: None) -> None:
    """No server of the environment."""
    for name in (
        "KF_PIPELINES_ENDPOINT",
        "KF_PIPELINES_NAMESPACE",
        "KF_PIPELINES_SA_TOKEN_PATH",
        "KF_PIPELINES_UI_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)


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
        assert run.runtime_config.parameters["settings"] == {"seed": 7}
        assert run.runtime_config.parameters["source"] == "s3://bucket/images"
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


def test_a_look_is_started_with_what_its_alarm_would_start(tmp_path, capsys):
    words = ["--pipeline", "monitoring", "--service-account", "watcher", "--experiment", "trials"]
    with serve() as server:
        assert call("submit", config(tmp_path), *words, "--host", server.url) == 0
        [run] = server.runs
        assert run.display_name.startswith("digits-monitoring-2")
        assert run.runtime_config.parameters == {
            "release": "s3://bucket/store/releases/digits", "source": "", "settings": {}, "training": {}
        }  # fmt: skip
        assert [version.name for version in server.versions] == [version_name(MONITORED)]
        more = ["monitor.train=true", "monitor.audit=20", "seed=7", "--pipeline-version", "latest"]
        assert call("submit", config(tmp_path), *more, *words, "--host", server.url) == 0
        told = server.runs[1].runtime_config.parameters
        assert told["settings"] == {"audit": 20, "train": True}
        assert told["training"]["kubeflow"] == {
            "pipeline": PIPELINE, "version": "latest", "experiment": "trials", "service_account": "watcher"
        }  # fmt: skip
        assert told["training"]["parameters"]["settings"] == {"seed": 7}
        assert {version.name for version in server.versions} == {version_name(), version_name(MONITORED)}
        pinned = ["--pipeline-version", version_name()]
        assert call("submit", config(tmp_path), *words, *pinned, "--host", server.url) == 2
        assert f"got '{version_name()}', expected committed, latest or a name such as gleaner-monitoring-" in (
            capsys.readouterr().err
        )


def test_the_ui_may_be_elsewhere(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example/pipeline/")
    with serve() as server:
        assert call("submit", config(tmp_path), "--host", server.url, "--pipeline-version", "latest") == 0
        assert (
            capsys.readouterr().out
            == f"run: https://kubeflow.example/pipeline/#/runs/details/{server.runs[0].run_id}\n"
        )
        assert server.runs[0].pipeline_version_reference.pipeline_version_id is None


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


def test_patience_ends(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(following, "PATIENCE", 0.05)
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
        looks = itertools.count()

        def applied_meanwhile(method: str, path: str) -> None:
            if "/pipelines/names/" in path and next(looks) == 3:
                server.add_version(PIPELINE, version_name())

        server.fault = applied_meanwhile
        assert call("submit", config(tmp_path), "--host", server.url) == 0
        assert capsys.readouterr().out.startswith(
            f"waiting 300 s at most: unknown pipeline '{PIPELINE}'; there are: none; expected"
        )
        assert not any("pipelines" in path for _, path in server.writes())
