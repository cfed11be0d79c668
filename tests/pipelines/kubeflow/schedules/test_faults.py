"""The reconciler when things go wrong: lost answers, kills, races, late versions; whatever happens, the next apply
makes it right.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from components.common.kubeflow import server as kubeflow
from tests.pipelines.kubeflow.gitops import NIGHTLY, OURS, applied, names, write_git
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import FAULTS, Fault

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("request_", range(12))
def test_one_fault_at_any_request(tmp_path, kfp_hurry, fault, request_):
    """Whether the server did it or not when its answer was lost: there is never a second one."""
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY, "gone": NIGHTLY}))
        file = write_git(tmp_path, {"nightly": {**NIGHTLY, "cron": "0 0 3 * * *"}, "new": NIGHTLY})
        count = iter(range(100))
        server.fault = lambda *_: fault if next(count) == request_ else None
        applied(server, file)
        assert server.enabled(OURS) == names(file)
        assert len(server.recurring) == 4
        assert len(server.pipelines) == len(server.versions) == len(server.experiments) == 1


def test_one_fault_at_any_request_of_the_first_apply(tmp_path, kfp_hurry):
    for fault in FAULTS:
        for place in range(12):
            with serve() as server:
                count = iter(range(100))
                server.fault = lambda *_, fault=fault, place=place, count=count: fault if next(count) == place else None
                file = write_git(tmp_path, {"nightly": NIGHTLY})
                applied(server, file)
                assert server.enabled(OURS) == names(file)
                assert [
                    len(found) for found in (server.recurring, server.pipelines, server.versions, server.experiments)
                ] == [1] * 4


def test_an_answer_that_does_not_come(tmp_path, kfp_hurry, monkeypatch):
    monkeypatch.setattr(kubeflow, "TIMEOUT", (0.3, 0.3))
    with serve() as server:
        slow = [Fault(0, after=True, delay=0.5)]
        server.fault = lambda method, path: (
            slow.pop() if slow and (method, path[-13:]) == ("POST", "recurringruns") else None
        )
        file = write_git(tmp_path, {"nightly": NIGHTLY})
        applied(server, file)  # it may look before the server is done, and make a second one
        threading.Event().wait(0.6)
        server.fault = lambda *_: None
        applied(server, file)
        assert server.enabled(OURS) == names(file)


def test_a_server_that_stays_away(tmp_path, kfp_hurry):
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        before = server.enabled(OURS)
        server.fault = lambda method, path: Fault(503) if method == "POST" else None
        with pytest.raises(BadInputError, match="answers 503"):
            applied(server, write_git(tmp_path, {"nightly": {**NIGHTLY, "cron": "0 0 3 * * *"}}))
        assert server.enabled(OURS) == before


def test_killed_between_create_and_disable(tmp_path):
    """The process really dies; what it leaves fires twice, not never, and the next apply finishes it."""
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        file = write_git(tmp_path, {"nightly": {**NIGHTLY, "cron": "0 0 3 * * *"}})
        running: list[subprocess.Popen[bytes]] = []

        def kill(method: str, path: str) -> None:
            if len(server.recurring) == 2:
                os.kill(running[0].pid, signal.SIGKILL)

        server.fault = kill
        command = [sys.executable, "-m", "pipelines", "schedules", "apply", "--file", str(file), "--host", server.url]
        with server.lock:  # it cannot go on before we know it
            running.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL))
        assert running[0].wait(60) == -signal.SIGKILL
        assert len(server.enabled(OURS)) == 2
        server.fault = lambda *_: None
        assert [line.split()[0] for line in applied(server, file)] == ["disabled", "1"]
        assert server.enabled(OURS) == names(file)


def test_two_schedules_files_of_one_app_are_told(tmp_path):
    """They would undo each other's work without end."""
    with serve() as server:
        file = write_git(tmp_path, {"nightly": NIGHTLY})

        def rival(method: str, path: str) -> None:
            for run in server.recurring if method == "GET" else ():
                run.mode = "DISABLE"

        server.fault = rival
        with pytest.raises(
            BadInputError,
            match="was disabled as soon as it was enabled; expected one schedules file and one reconciler",
        ):
            applied(server, file)
