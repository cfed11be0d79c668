"""Two reconcilers at once, and a long random story: whatever happens, one more apply in peace makes the server what Git
says.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.common.errors import BadInputError
from pipelines.configuration.version import PIPELINE
from pipelines.kubeflow.schedules.apply import apply, read_git
from pipelines.kubeflow.server import Kubeflow, connect
from tests.pipelines.kubeflow.gitops import NIGHTLY, OURS, applied, names, write_compiled, write_git
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import FAULTS, KfpServer

settings.register_profile("server", deadline=None, suppress_health_check=list(HealthCheck))


class Killed(BaseException):
    """As if the process had ended here."""


class Turns:
    """Lets two threads make their requests in a given order, one at a time."""

    def __init__(self, order: list[int]) -> None:
        self.order = deque(order)
        self.ended = set[int]()
        self.change = threading.Condition()

    @contextmanager
    def take(self, me: int) -> Iterator[None]:
        with self.change:
            assert self.change.wait_for(
                lambda: not self.order or self.order[0] == me or 1 - me in self.ended, timeout=60
            )
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
    turns = Turns(order)
    failures = list[Exception]()

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


@settings(settings.get_profile("server"), max_examples=40)
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


SCHEDULE = st.fixed_dictionaries(
    {
        "config": st.just("run.yaml"),
        "cron": st.sampled_from(["0 0 1 * * *", "0 0 2 * * *"]),
        "paused": st.booleans(),
        "pipeline_version": st.sampled_from(["committed", "latest"]),
    }
)
STEP = st.fixed_dictionaries(
    {
        "schedules": st.dictionaries(st.sampled_from(["a", "b", "renamed"]), SCHEDULE),
        "seed": st.integers(0, 1),
        "release": st.integers(0, 1),  # of the pipeline
        "prune": st.booleans(),
        "faults": st.lists(st.one_of(st.none(), st.none(), st.sampled_from(FAULTS)), max_size=15),
        "dies": st.one_of(
            st.none(), st.tuples(st.integers(0, 15), st.booleans())
        ),  # at which request, after it was done
        "meddling": st.sampled_from(["", "", "clone", "disable"]),
        "days": st.integers(0, 20),
        "ends": st.booleans(),  # what runs
    }
)


def write_step(folder: Path, step: dict[str, Any]) -> Path:
    info = f"pipelineInfo: {{name: {PIPELINE}, displayName: plain, description: release {step['release']}}}"
    write_compiled(folder, f"# PIPELINE DEFINITION\n{info}\n".encode())
    return write_git(folder, step["schedules"], run={"seed": step["seed"]}, compiled="compiled")


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
            run.state = "SUCCEEDED"
            run.finished_at = server.now()
    for run in list(server.recurring):
        server.fire(run.recurring_run_id)


@settings(settings.get_profile("server"), max_examples=40)
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
