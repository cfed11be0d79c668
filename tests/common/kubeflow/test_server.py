"""The client: who is there, with which rights, and what is said when something is wrong."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from components.common.kubeflow import server as kubeflow
from components.common.kubeflow.server import AbsentError, TransientError, connect
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import Fault

ROOT = Path(__file__).parents[3]


def mistake(*arguments: str) -> str:
    with pytest.raises(BadInputError) as told:
        connect(*arguments)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_a_server_is_asked_who_it_is():
    with serve(multi_user=True, store="kubernetes") as server:
        client = connect(server.url + "/", "team")
        assert (client.host, client.namespace, client.pipeline_store) == (server.url, "team", "kubernetes")
    with serve() as server:
        assert connect(server.url, "team").namespace == ""


def test_the_environment_names_server_and_namespace(monkeypatch):
    with serve(multi_user=True) as server:
        monkeypatch.setenv("KF_PIPELINES_ENDPOINT", server.url)
        assert "many users; expected --namespace or KF_PIPELINES_NAMESPACE" in mistake()
        monkeypatch.setenv("KF_PIPELINES_NAMESPACE", "team")
        assert connect().namespace == "team"


@pytest.mark.parametrize(("host", "got"), [("", "no server is named"), ("ml-pipeline:8888", "got 'ml-pipeline:8888'")])
def test_an_address_is_a_url(monkeypatch, host, got):
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)
    assert mistake(host).startswith(f"{got}; expected --host or KF_PIPELINES_ENDPOINT")


def test_nobody_there(kfp_hurry):
    assert "Connection refused; is it up, and is this its address?" in mistake("http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b"RBAC: access denied"),
        (200, b"<html>login</html>"),
        (302, b""),
        (404, b"404 page not found"),
        (200, b"[]"),
        (200, b'{"status": "ok"}'),
    ],
)
def test_another_kind_of_server(status, body):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            if status == 302:
                self.send_header("location", "/dex/auth")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            refused, other_kind = (
                "what stands before Kubeflow Pipelines refuses (Forbidden)",
                "does not answer like Kubeflow Pipelines 2",
            )
            assert (refused if status == 403 else other_kind) in mistake(f"http://127.0.0.1:{other.server_port}")
        finally:
            other.shutdown()
            thread.join()


def test_the_token_is_read_anew_at_each_request(monkeypatch, tmp_path):
    token = tmp_path / "token"
    token.write_text("first\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token))
    with serve(tokens={"first"}) as server:
        client = connect(server.url)
        server.tokens = {"second"}
        with pytest.raises(
            BadInputError, match="is not accepted, it may have expired; expected a token for the audience"
        ) as told:
            client.read(client.health.healthz_service_get_healthz)
        assert "first" not in str(told.value)
        token.write_text("second\n")
        client.read(client.health.healthz_service_get_healthz)


def test_a_token_that_lacks(monkeypatch, tmp_path):
    with serve(tokens={"right"}) as server:
        assert "asks who you are" in mistake(server.url)
        monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "none"))
        assert "No such file or directory" in mistake(server.url)
        (tmp_path / "none").write_text("\n")
        assert "is empty" in mistake(server.url)
    assert server.log == []


def test_the_pods_of_a_run_have_a_token_that_kubeflow_mounts(monkeypatch, tmp_path):
    monkeypatch.delenv("KF_PIPELINES_SA_TOKEN_PATH", raising=False)
    monkeypatch.setattr(kubeflow, "PROJECTED_TOKENS", (tmp_path / "notebook", tmp_path / "run"))
    (tmp_path / "run").write_text("of the launcher")
    with serve(tokens={"of the launcher"}) as server:
        assert connect(server.url).token == tmp_path / "run"


def test_rights_in_a_namespace(monkeypatch):
    with serve(multi_user=True, namespaces={"team"}) as server:
        client = connect(server.url, "theirs")
        with pytest.raises(
            BadInputError, match=r"no right to do this in namespace 'theirs' \(User 'robot' is not authorized"
        ):
            list(client.pages(client.runs.run_service_list_runs, "runs", namespace="theirs"))


@pytest.mark.parametrize(
    "fault", [Fault(503), Fault(500), Fault(429), Fault(0), Fault(502, after=True), Fault(0, after=True)]
)
def test_reads_outlast_a_bad_moment(kfp_hurry, fault):
    faults = [fault, fault]
    with serve(fault=lambda *_: faults.pop() if faults else None) as server:
        connect(server.url)


def test_reads_give_up(kfp_hurry):
    with serve(fault=lambda *_: Fault(503)) as server:
        assert "answers 503 (upstream connect error)" in mistake(server.url)


def test_a_silent_server(kfp_hurry, monkeypatch):
    monkeypatch.setattr(kubeflow, "TIMEOUT", (0.2, 0.2))
    with serve(fault=lambda *_: Fault(503, delay=0.5)) as server:
        assert "Read timed out" in mistake(server.url)


def test_writes_are_asked_once(kfp_hurry):
    faults = [None, Fault(503), Fault(503)]
    with serve(fault=lambda *_: faults.pop(0)) as server:
        client = connect(server.url)
        with pytest.raises(TransientError):
            client.call(client.recurring.recurring_run_service_disable_recurring_run, "it")
        assert len(faults) == 1


def test_absence_is_told_apart():
    with serve() as server:
        client = connect(server.url)
        with pytest.raises(AbsentError, match="not found"):
            client.call(client.recurring.recurring_run_service_disable_recurring_run, "it")


def test_listings_come_in_pages():
    with serve() as server:
        names = [server.add_recurring(f"run {number}").display_name for number in range(5)]
        client = connect(server.url)
        found = client.pages(client.recurring.recurring_run_service_list_recurring_runs, "recurring_runs", size=2)
        assert sorted(run.display_name for run in found) == names
        assert len(server.log) == 1 + 3


def test_the_reconciler_needs_neither_kfp_nor_what_stages_compute_with():
    """It runs in an image without them."""
    absent = {"kfp", "kubernetes", "torch", "numpy", "PIL", "boto3", "rich"}
    code = f"import sys, pipelines.kubeflow.schedules.apply; print({absent} & sys.modules.keys())"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        == "set()\n"
    )
