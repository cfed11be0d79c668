"""Two reconcilers at once, and a long random story: whatever happens, one more apply in peace makes the server what Git
says.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.common.errors import BadInputError
from components.common.kubeflow.server import Kubeflow, connect
from pipelines.configuration.version import PIPELINE
from pipelines.kubeflow.schedules.apply import apply, read_git
from pipelines.kubeflow.schedules.plan import REMAINS
from tests.pipelines.kubeflow.gitops import DISTANT, NIGHTLY, OURS, applied, names, write_compiled, write_git
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
@given(order=st.lists(st.integers(0, 1), max_size=40), commit=st.sampled_from(["first", "change", "revert"]))
def test_two_reconcilers_race(tmp_path, kfp_hurry, order, commit):
    """In whatever order their requests fall: one is enabled at the end, and there is no moment without."""
    with serve() as server:
        file = before(server, tmp_path, commit)
        gaps: list[str] = []
        server.fault = lambda method, path: None if commit == "first" or server.enabled(OURS) else gaps.append(path)
        assert race(server, file, order) == []
        assert gaps == []
        assert server.enabled(OURS) == names(file)
        assert len(server.pipelines) == len(server.versions) == len(server.experiments) == 1
        applied(server, file)  # deletes a second of the same name
        assert len(server.recurring) == (1 if commit == "first" else 2)
        writes = server.writes()
        applied(server, file)
        assert server.writes() == writes


@settings(settings.get_profile("server"), max_examples=20)
@given(order=st.lists(st.integers(0, 1), max_size=40), look=st.integers(0, 8))
def test_two_reconcilers_race_while_a_start_is_missed(tmp_path, kfp_hurry, order, look):
    """One may have seen that the old one can be enabled, and the other that it is to be made anew."""
    with serve() as server:
        file = before(server, tmp_path, "revert", f"0 0 {(datetime.now(UTC).hour + 12) % 24} * * *")
        old = server.recurring[0]
        looks = iter(range(1000))

        def miss(method: str, path: str) -> None:
            if (method, path[-13:]) == ("GET", "recurringruns") and next(looks) == look:
                old.created_at -= timedelta(days=1)  # as if a start had come and gone

        server.fault = miss
        assert race(server, file, order) == []
        assert server.enabled(OURS) == names(file)
        applied(server, file)
        assert server.enabled(OURS) == names(file)
        assert len(server.recurring) == 2


def before(server: KfpServer, folder: Path, commit: str, cron: str = DISTANT) -> Path:
    """The server as it was before a commit; returns the file that is to be applied."""
    changed = {"nightly": {**NIGHTLY, "cron": cron}}
    if commit == "revert":
        applied(server, write_git(folder, changed))
    if commit != "first":
        applied(server, write_git(folder, {"nightly": NIGHTLY}))
    return write_git(folder, changed)


SCHEDULE = st.fixed_dictionaries(
    {
        "config": st.just("run.yaml"),
        "cron": st.sampled_from(["0 0 1 * * *", DISTANT]),
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
            server.add_recurring(run.display_name, description=run.description, trigger=run.trigger)
        elif step["meddling"] == "disable":
            run.mode = "DISABLE"
    server.clock += timedelta(days=step["days"])
    if step["ends"]:
        end_runs(server)
    for run in server.recurring:
        if server.due(run):
            server.fire(run.recurring_run_id)


def end_runs(server: KfpServer) -> None:
    for run in server.runs:
        if run.state == "RUNNING":
            run.state = "SUCCEEDED"
            run.finished_at = server.now()


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
        assert server.killed == []
        end_runs(server)
        applied(server, file)  # deletes what the first has disabled or has waited for
        before = server.writes()
        applied(server, file)
        assert server.writes() == before
        assert server.enabled() == sorted([*names(file), *foreign])
        assert server.killed == []
        assert server.made_up == []
        ours = [run.display_name for run in server.recurring if run.display_name.startswith(OURS)]
        assert len(set(ours)) == len(ours)
        assert len(ours) <= len(names(file)) + REMAINS * len({name.partition("@")[0] for name in ours})
        assert len({(each.name, each.pipeline_id) for each in server.versions}) == len(server.versions)
