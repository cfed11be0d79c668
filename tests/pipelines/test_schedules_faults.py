"""The reconciler when things go wrong: lost answers, kills, races, late versions; whatever happens, the next apply makes it right."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.common.errors import BadInputError
from pipelines import kubeflow
from pipelines.kubeflow import Kubeflow, connect
from pipelines.schedules_apply import apply, read_git
from pipelines.version import PIPELINE, version_name
from tests.pipelines.gitops import NIGHTLY, OURS, write_git
from tests.pipelines.kfp_server import serve
from tests.pipelines.kfp_state import Fault, KfpServer

ROOT = Path(__file__).parents[2]
FAULTS = [Fault(500), Fault(503), Fault(429), Fault(0), Fault(502, after=True), Fault(0, after=True)]
settings.register_profile("server", deadline=None, suppress_health_check=list(HealthCheck))


class Killed(BaseException):
    """As if the process had ended here."""


def applied(server: KfpServer, file: Path, prune: bool = True, wait: float = 0) -> list[str]:
    said: list[str] = []
    apply(connect(server.url), read_git(file), prune, said.append, wait)
    return said


def names(file: Path) -> list[str]:
    """The recurring runs that must be enabled."""
    return sorted(want.name for want in read_git(file).wanted.values() if not want.paused)


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
                assert [len(found) for found in (server.recurring, server.pipelines, server.versions, server.experiments)] == [1] * 4


def test_an_answer_that_does_not_come(tmp_path, kfp_hurry, monkeypatch):
    monkeypatch.setattr(kubeflow, "TIMEOUT", (0.3, 0.3))
    with serve() as server:
        slow = [Fault(0, after=True, delay=0.5)]
        server.fault = lambda method, path: slow.pop() if slow and (method, path[-13:]) == ("POST", "recurringruns") else None
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


@pytest.mark.parametrize("wanted", ["committed", "latest"])
def test_a_version_that_argo_cd_applies_late(tmp_path, kfp_hurry, wanted):
    with serve(store="kubernetes") as server:
        looks = iter(range(100))

        def late(method: str, path: str) -> None:
            if "/pipelines/names/" in path and next(looks) == 4:
                server.add_version(PIPELINE, version_name())

        server.fault = late
        file = write_git(tmp_path, {"nightly": {**NIGHTLY, "pipeline_version": wanted}})
        with pytest.raises(BadInputError, match="unknown pipeline"):
            applied(server, file)
        assert server.writes() == []
        applied(server, file, wait=30)
        assert server.enabled(OURS) == names(file)


def test_two_schedules_files_of_one_app_are_told(tmp_path):
    """They would undo each other's work without end."""
    with serve() as server:
        file = write_git(tmp_path, {"nightly": NIGHTLY})

        def rival(method: str, path: str) -> None:
            for run in server.recurring if method == "GET" else ():
                run.mode = "DISABLE"

        server.fault = rival
        with pytest.raises(BadInputError, match="was disabled as soon as it was created; expected one schedules file and one reconciler"):
            applied(server, file)


class Turns:
    """Lets two threads make their requests in a given order, one at a time."""

    def __init__(self, order: list[int]) -> None:
        self.order, self.ended, self.change = deque(order), set[int](), threading.Condition()

    @contextmanager
    def take(self, me: int) -> Iterator[None]:
        with self.change:
            assert self.change.wait_for(lambda: not self.order or self.order[0] == me or 1 - me in self.ended, timeout=60)
            yield
            if self.order and self.order[0] == me:
                self.order.popleft()
            self.change.notify_all()

    def end(self, me: int) -> None:
        with self.change:
            self.ended.add(me)
            self.change.notify_all()


def before_each(client: Kubeflow, do: Callable[[Callable[[], Any]], Any]) -> Kubeflow:
    """The same client, each of whose requests is made by `do`."""
    call = client.call
    client.call = lambda *arguments, **options: do(lambda: call(*arguments, **options))  # type: ignore[method-assign]
    return client


def race(server: KfpServer, file: Path, order: list[int]) -> list[Exception]:
    turns, failures = Turns(order), list[Exception]()

    def reconcile(me: int) -> None:
        def in_turn(request: Callable[[], Any]) -> Any:
            with turns.take(me):
                return request()

        try:
            apply(before_each(connect(server.url), in_turn), read_git(file), True, lambda line: None)
        except Exception as error:
            failures.append(error)
        finally:
            turns.end(me)

    threads = [threading.Thread(target=reconcile, args=(me,)) for me in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


@settings(settings.get_profile("server"), max_examples=60)
@given(order=st.lists(st.integers(0, 1), max_size=40), fresh=st.booleans())
def test_two_reconcilers_race(tmp_path, kfp_hurry, order, fresh):
    """In whatever order their requests fall: one is enabled at the end, and there is no moment without."""
    with serve() as server:
        if not fresh:
            applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        file = write_git(tmp_path, {"nightly": {**NIGHTLY, "cron": "0 0 3 * * *"}})
        gaps: list[str] = []
        server.fault = lambda method, path: None if fresh or server.enabled(OURS) else gaps.append(path)
        assert race(server, file, order) == []
        assert gaps == []
        assert server.enabled(OURS) == names(file)
        assert len(server.pipelines) == len(server.versions) == len(server.experiments) == 1
        before = server.writes()
        applied(server, file)
        assert server.writes() == before


SCHEDULE = st.fixed_dictionaries({
    "config": st.just("run.yaml"),
    "cron": st.sampled_from(["0 0 1 * * *", "0 0 2 * * *"]),
    "paused": st.booleans(),
    "pipeline_version": st.sampled_from(["committed", "latest"]),
})
STEP = st.fixed_dictionaries({
    "schedules": st.dictionaries(st.sampled_from(["a", "b", "renamed"]), SCHEDULE),
    "seed": st.integers(0, 1),
    "release": st.integers(0, 1),  # of the pipeline
    "prune": st.booleans(),
    "faults": st.lists(st.one_of(st.none(), st.none(), st.sampled_from(FAULTS)), max_size=15),
    "dies": st.one_of(st.none(), st.tuples(st.integers(0, 15), st.booleans())),  # at which request, after it was done
    "meddling": st.sampled_from(["", "", "clone", "disable"]),
    "days": st.integers(0, 20),
    "ends": st.booleans(),  # what runs
})


def write_step(folder: Path, step: dict[str, Any]) -> Path:
    (folder / "training.yaml").write_text(f"# PIPELINE DEFINITION\n# {step['release']}\n", encoding="utf-8")
    return write_git(folder, step["schedules"], run={"seed": step["seed"]}, compiled="training.yaml")


def take_step(server: KfpServer, folder: Path, step: dict[str, Any]) -> None:
    file = write_step(folder, step)
    requests = iter(range(1000))

    def mortal(request: Callable[[], Any]) -> Any:
        at, after = step["dies"] or (None, False)
        dies = next(requests) == at
        answer = None if dies and not after else request()
        if dies:
            raise Killed
        return answer

    faults = list(step["faults"])
    try:
        client = before_each(connect(server.url), mortal)
        server.fault = lambda *_: faults.pop(0) if faults else None
        apply(client, read_git(file), step["prune"], lambda line: None)
    except (BadInputError, Killed):
        pass
    server.fault = lambda *_: None


def live_on(server: KfpServer, step: dict[str, Any]) -> None:
    """What the world does between two applies."""
    ours = [run for run in server.recurring if run.display_name.startswith(OURS)]
    for run in ours[:1]:
        if step["meddling"] == "clone":
            server.add_recurring(run.display_name, description=run.description)
        elif step["meddling"] == "disable":
            run.mode = "DISABLE"
    server.clock += timedelta(days=step["days"])
    for run in server.runs:
        if step["ends"] and run.state == "RUNNING":
            run.state, run.finished_at = "SUCCEEDED", server.now()
    for run in list(server.recurring):
        server.fire(run.recurring_run_id)


@settings(settings.get_profile("server"), max_examples=60)
@given(steps=st.lists(STEP, min_size=1, max_size=5))
def test_it_always_converges(tmp_path, kfp_hurry, steps):
    """Random edits of Git, faults, deaths and meddling; then one apply in peace, and the server is what Git says."""
    with serve() as server:
        server.clock = timedelta(days=-100)  # the whole story lies in the past
        foreign = [server.add_recurring(name).display_name for name in ("theirs", "gitops/others/a@00000000")]
        for step in steps:
            take_step(server, tmp_path, step)
            live_on(server, step)
        file = write_step(tmp_path, steps[-1])
        applied(server, file)
        assert server.enabled() == sorted([*names(file), *foreign])
        applied(server, file)  # may delete what the first has disabled
        before = server.writes()
        applied(server, file)
        assert server.writes() == before
        assert server.enabled() == sorted([*names(file), *foreign])
        assert server.killed == []
        assert len({(each.name, each.pipeline_id) for each in server.versions}) == len(server.versions)
