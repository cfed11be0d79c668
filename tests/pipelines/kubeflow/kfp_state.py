"""What a server of Kubeflow Pipelines 2.17 holds and does, in memory; kfp_server.py puts it behind HTTP.

Requests are read and answers written through the models of kfp-server-api, so that a field that KFP does not know is
refused here too. Taken from KFP's sources: names of recurring runs are not unique; times are whole seconds; 64-bit
numbers travel as text; empty lists are left out; `mode` and `status` follow the stored flag; a store of pipelines in
Kubernetes knows no filter but IS_SUBSTRING; deleting a recurring run kills what runs under it; enabling one makes up at
once for the last start that it missed.
"""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import kfp_server_api as api

EMPTY: dict[str, Any] = {}


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class Fault:
    """What happens to one request: an answer of `status` (0: the line is cut), before or after the work is done."""

    status: int
    after: bool = False
    delay: float = 0.0  # seconds before anything


FAULTS = [Fault(500), Fault(503), Fault(429), Fault(0), Fault(502, after=True), Fault(0, after=True)]


@dataclass
class KfpServer:
    """State, the same for every connection; `lock` guards it."""

    multi_user: bool = False
    store: str = "database"
    tokens: set[str] = field(default_factory=set)  # accepted ones; none: everybody is let in
    namespaces: set[str] = field(default_factory=lambda: {"team", "other"})  # those that the tokens have rights in
    fault: Callable[[str, str], Fault | None] = lambda method, path: None
    pipelines: list[Any] = field(default_factory=list)
    versions: list[Any] = field(default_factory=list)
    experiments: list[Any] = field(default_factory=list)
    recurring: list[Any] = field(default_factory=list)
    runs: list[Any] = field(default_factory=list)
    workflow: dict[str, Any] | None = None  # Argo's, of every run; None: this server does not hand it out
    log: list[tuple[str, str]] = field(default_factory=list)  # method and path of each request that was worked on
    killed: list[str] = field(default_factory=list)  # runs that lost their owner while they ran
    last: dict[str, datetime] = field(default_factory=dict)  # start of each recurring run that has made one
    made_up: list[str] = field(default_factory=list)  # runs that came because their owner was enabled
    url: str = ""
    clock: timedelta = timedelta()  # how far the server's time is ahead
    lock: Any = field(default_factory=threading.RLock)

    def now(self) -> datetime:
        return (datetime.now(UTC) + self.clock).replace(microsecond=0)

    def writes(self) -> list[tuple[str, str]]:
        return [request for request in self.log if request[0] != "GET"]

    def add_version(self, pipeline: str, name: str, namespace: str = "") -> Any:
        """As if Argo CD had applied the objects."""
        with self.lock:
            found = next((each for each in self.pipelines if each.name == pipeline), None)
            if found is None:
                found = api.V2beta1Pipeline(
                    pipeline_id=new_id(),
                    name=pipeline,
                    display_name=pipeline,
                    namespace=namespace,
                    created_at=self.now(),
                )
                self.pipelines.append(found)
            version = api.V2beta1PipelineVersion(
                pipeline_id=found.pipeline_id,
                pipeline_version_id=new_id(),
                name=name,
                display_name=name,
                created_at=self.now(),
                pipeline_spec={"spec": "…"},
            )
            self.versions.append(version)
            return version

    def add_recurring(self, name: str, **fields: Any) -> Any:
        """One that somebody else has made."""
        with self.lock:
            run = api.V2beta1RecurringRun(
                recurring_run_id=new_id(),
                display_name=name,
                mode="ENABLE",
                status="ENABLED",
                created_at=self.now(),
                **fields,
            )
            self.recurring.append(run)
            return run

    def fire(self, recurring_run_id: str) -> Any:
        """What the scheduler does when the time has come: a run, unless it is disabled or as many run as may."""
        with self.lock:
            owner = next(each for each in self.recurring if each.recurring_run_id == recurring_run_id)
            active = [run for run in self.runs if run.recurring_run_id == recurring_run_id and run.state == "RUNNING"]
            if owner.mode != "ENABLE" or len(active) >= int(owner.max_concurrency or 1):
                return None
            run = api.V2beta1Run(
                run_id=new_id(),
                display_name=owner.display_name,
                recurring_run_id=recurring_run_id,
                state="RUNNING",
                created_at=self.now(),
                experiment_id=owner.experiment_id,
                scheduled_at=self.due(owner) or self.now(),
            )
            self.last[recurring_run_id] = run.scheduled_at
            self.runs.append(run)
            return run

    def due(self, owner: Any) -> datetime | None:
        """The start that the scheduler would make now, by its clock in UTC: the last one since it made one."""
        cron = owner.trigger.cron_schedule if owner.trigger else None
        if not cron:
            return None
        begin = self.last.get(owner.recurring_run_id, owner.created_at)
        begin = max(begin, cron.start_time or begin)
        moment = min(self.now(), cron.end_time or self.now())
        second, *fields = cron.cron.split()
        moment = (moment - timedelta(seconds=int(second))).replace(second=int(second))
        while moment > begin:
            values = (moment.minute, moment.hour, moment.day, moment.month, moment.isoweekday() % 7)
            right = [word == "*" or str(value) in word.split(",") for word, value in zip(fields, values, strict=True)]
            if all(right):
                return moment
            moment -= timedelta(minutes=1 if all(right[2:]) else 60 * moment.hour + moment.minute + 1)
        return None

    def rights(self) -> set[str]:
        """What an RBAC role must allow for all that was done, `resource: verb`, as KFP's server asks Kubernetes."""
        return {
            _right(method, path.removeprefix("/apis/v2beta1/").removeprefix("/apis/v1beta1/"))
            for method, path in self.log
            if not path.endswith("/healthz")
        }

    def enabled(self, prefix: str = "") -> list[str]:
        with self.lock:
            return sorted(
                run.display_name
                for run in self.recurring
                if run.mode == "ENABLE" and run.display_name.startswith(prefix)
            )


def new_id() -> str:
    return str(uuid.uuid4())


def _right(method: str, path: str) -> str:
    names = path.partition(":")[0].split("/")
    resource = {"recurringruns": "jobs"}.get(names[0], names[0])
    listing = len(names) in (1, 3) and names[1:2] != ["names"]
    verb = path.partition(":")[2] or {"POST": "create", "DELETE": "delete", "GET": "list" if listing else "get"}[method]
    return f"{resource}: {verb}"
