"""One alarm, one training run: many monitors at once, and monitors that are killed between any two steps."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from components.common.kubeflow.server import Kubeflow
from components.common.storage import FolderStore, open_store
from components.monitor import claims, training
from components.monitor.settings import MonitorSettings
from tests.faulty import Faults, faulty
from tests.monitor.decisions import LOCAL, MODEL, TRAINING, decided, look, store_in, write_drift
from tests.pipelines.kubeflow.kfp_state import Fault, KfpServer

MONITORS = 6


class Killed(BaseException):
    """A process ends between two instructions."""


@pytest.fixture
def takeover(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is killed is soon taken over from."""
    monkeypatch.setattr(training, "LEASE", 0.03)


def alive(server: KfpServer) -> list[str]:
    return [run.run_id for run in server.runs if run.state != "CANCELING"]


def at_once(folder: Path, drifts: list[dict[str, Any]], how: dict[str, Any] = TRAINING) -> list[dict[str, Any]]:
    """Decisions of as many monitors, which begin together."""
    barrier = threading.Barrier(len(drifts))

    def one(number: int) -> dict[str, Any]:
        barrier.wait()
        return decided(folder / f"monitor-{number}", drifts[number], how)

    with ThreadPoolExecutor(len(drifts)) as pool:
        return list(pool.map(one, range(len(drifts))))


def test_monitors_of_one_look(tmp_path, kubeflow):
    found = at_once(tmp_path, [look(store_in(tmp_path), 7)] * MONITORS)
    [run] = kubeflow.runs
    assert {each["started"]["run_id"] for each in found} == {run.run_id}
    assert len(claims.claims(store_in(tmp_path), MODEL)) == 1


def test_monitors_of_one_look_in_s3(tmp_path, kubeflow, s3_bucket):
    drift = look(open_store(f"{s3_bucket}/store"), 7)
    at_once(tmp_path, [drift] * 3)
    assert len(kubeflow.runs) == 1
    [uri] = [kubeflow.runs[0].runtime_config.parameters["settings"]["sample"]["candidates_from"]]
    assert uri.startswith(f"{s3_bucket}/store/monitor/digits/looks/000007/")


def test_monitors_over_a_rough_network(tmp_path, kubeflow, s3_bucket, s3_server, monkeypatch):
    store = open_store(f"{s3_bucket}/store")
    drift = look(store, 7)
    with faulty(s3_server.endpoint, Faults(busy=0.2, reset=0.05), seed=3) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        at_once(tmp_path, [drift] * 3)
        assert proxy.counts["busy"] + proxy.counts["lost"] + proxy.counts["reset"] > 3
    assert len(kubeflow.runs) == 1
    assert len(claims.claims(store, MODEL)) == 1


def test_monitors_of_several_looks_cool_down_together(tmp_path, kubeflow):
    drifts = [look(store_in(tmp_path), number) for number in range(1, MONITORS + 1)]
    at_once(tmp_path, drifts)
    assert len(kubeflow.runs) == 1


def test_monitors_of_several_looks_share_the_labels_of_a_month(tmp_path, kubeflow, monkeypatch):
    store = store_in(tmp_path)
    drifts = [look(store, number, candidates=100) for number in range(1, MONITORS + 1)]
    monkeypatch.setattr(
        sys.modules["tests.monitor.decisions"],
        "MonitorSettings",
        lambda **given: MonitorSettings(**{**given, "cool_down_days": 0, "labels_per_month": 120}),
    )
    at_once(tmp_path, drifts)
    assert sorted(one.labels for one in claims.claims(store, MODEL)) == [20, 50, 50]
    assert len(kubeflow.runs) == 3


def test_processes_at_once(tmp_path, kubeflow):
    drift = write_drift(tmp_path / "drift", look(store_in(tmp_path), 7))
    processes = [subprocess.Popen(command(drift, tmp_path / f"decision-{number}")) for number in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(kubeflow.runs) == 1


def test_a_killed_process_is_made_good(tmp_path, kubeflow, takeover):
    """SIGKILL while the server works on the start: it has granted it, and nobody hears that."""
    store = store_in(tmp_path)
    drift = look(store, 7)
    running: list[subprocess.Popen[bytes]] = []

    def kill(method: str, path: str) -> Fault | None:
        if method != "POST" or not path.endswith("/runs"):
            return None
        os.kill(running[0].pid, signal.SIGKILL)
        return Fault(0, after=True)

    kubeflow.fault = kill
    running.append(subprocess.Popen(command(write_drift(tmp_path / "drift", drift), tmp_path / "decision")))
    assert running[0].wait() == -signal.SIGKILL
    kubeflow.fault = lambda *_: None
    assert claims.started(store, MODEL, 1) is None
    found = decided(tmp_path, look(store, 8, alarm=False))
    assert [run.run_id for run in kubeflow.runs] == [found["started"]["run_id"]]


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_each_step(tmp_path, kubeflow, takeover, monkeypatch, after):
    """Steps are all that decide asks of the store and of Kubeflow: killed before each, or after each."""
    for step in count(1):
        store = store_in(tmp_path / str(step))
        drift = look(store, 7)
        before = len(kubeflow.runs)
        with monkeypatch.context() as patched:
            killed = kill_at(patched, step, after)
            with suppress(Killed):
                decided(tmp_path / str(step) / "first", drift)
        found = decided(tmp_path / str(step) / "second", drift)
        again = decided(tmp_path / str(step) / "third", look(store, 8))
        assert len(kubeflow.runs) == before + 1, f"step {step}"
        assert found["started"]["run_id"] == kubeflow.runs[-1].run_id
        assert again["train"] is False
        if not killed:
            assert step > 15
            return


def kill_at(patched: pytest.MonkeyPatch, step: int, after: bool) -> list[int]:
    """Raise Killed before or after the step of that number; returns a list that then holds it."""
    steps = count(1)
    killed: list[int] = []

    def breaking(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if killed:
                raise Killed
            now = next(steps) == step
            if now and not after:
                killed.append(step)
                raise Killed
            try:
                answer = original(*arguments, **options)
            except Exception:
                if not now:
                    raise
            if now:
                killed.append(step)
                raise Killed
            return answer

        return call

    for owner, name in ((FolderStore, "read"), (FolderStore, "write_if_absent"), (Kubeflow, "call")):
        patched.setattr(owner, name, breaking(getattr(owner, name)))
    return killed


def test_a_monitor_that_slept_before_it_asked(tmp_path, kubeflow, takeover, monkeypatch):
    """Another one has taken over meanwhile: what the first one asks for then is refused by its own clock."""
    store = store_in(tmp_path)
    drift = look(store, 7)
    named = training.runs.named
    slept: list[bool] = []

    def sleeps(*arguments: Any) -> list[Any]:
        found = named(*arguments)
        if not slept:
            slept.append(True)
            monkeypatch.setattr(training, "WINDOW", 60.0)
            decided(tmp_path / "second", drift)
        return found

    monkeypatch.setattr(training, "WINDOW", 0.0)
    monkeypatch.setattr(training, "PATIENCE", 60.0)
    monkeypatch.setattr(training.runs, "named", sleeps)
    found = decided(tmp_path / "first", drift)
    assert [run.run_id for run in kubeflow.runs] == [found["started"]["run_id"]]


def test_a_request_that_is_granted_late(tmp_path, kubeflow):
    """The server gives up on a start, and makes the run all the same, after it was asked for again."""
    late: list[Any] = []

    def fault(method: str, path: str) -> Fault | None:
        if method == "POST" and path.endswith("/runs") and not late:
            late.append(True)
            return Fault(503)
        if method == "GET" and path.endswith("/runs") and kubeflow.runs and len(kubeflow.runs) == 1:
            twin = type(kubeflow.runs[0])(**{**vars_of(kubeflow.runs[0]), "run_id": "late", "state": "RUNNING"})
            kubeflow.runs.append(twin)
        return None

    kubeflow.fault = fault
    decided(tmp_path, look(store_in(tmp_path), 7))
    assert len(kubeflow.runs) == 2
    assert len(alive(kubeflow)) == 1
    assert (claims.started(store_in(tmp_path), MODEL, 1) or {})["run_id"] == alive(kubeflow)[0]


def vars_of(run: Any) -> dict[str, Any]:
    return {name: getattr(run, name) for name in run.attribute_map}


def test_on_a_laptop_one_of_many_trains(tmp_path):
    store = store_in(tmp_path)
    found = at_once(tmp_path, [look(store, 7)] * MONITORS, LOCAL)
    assert {(each["train"], each["claim"]) for each in found} == {(True, 1)}
    with ThreadPoolExecutor(MONITORS) as pool:
        told = list(pool.map(lambda _: claims.take(store, MODEL, 1), range(MONITORS)))
    assert sorted(told)[0] == ""
    assert all(each for each in sorted(told)[1:])
    assert f"is being run by process {os.getpid()} of " in claims.take(store, MODEL, 1)
    claims.record(store, MODEL, 1, {"name": "run-1"})
    assert claims.take(store, MODEL, 1) == "training 1 of digits was run before"


def test_a_killed_laptop_training_is_taken_over(tmp_path):
    store = store_in(tmp_path)
    decided(tmp_path, look(store, 7), LOCAL)
    code = f"from components.monitor.claims import take; assert not take({store.uri!r}, {MODEL!r}, 1)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert claims.take(store, MODEL, 1) == ""


def test_a_training_of_another_machine_is_left_to_it(tmp_path, monkeypatch):
    store = store_in(tmp_path)
    decided(tmp_path, look(store, 7), LOCAL)
    with monkeypatch.context() as there:
        there.setattr(claims.platform, "node", lambda: "theirs")
        assert claims.take(store, MODEL, 1) == ""
    told = claims.take(store, MODEL, 1)
    assert told.startswith(f"training 1 of digits is that of process {os.getpid()} of theirs, since ")


def command(drift: Path, decision: Path) -> list[str]:
    settings = json.dumps(MonitorSettings(train=True).model_dump(mode="json"))
    return [
        sys.executable, "-m", "components.monitor.decide", "--release", "s3://bucket/store/releases/digits",
        "--drift", str(drift), "--settings", settings, "--training", json.dumps(TRAINING), "--decision", str(decision),
    ]  # fmt: skip
