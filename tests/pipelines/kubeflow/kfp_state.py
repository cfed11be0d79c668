"""What a server of Kubeflow Pipelines 2.17 holds and does, in memory; kfp_server.py puts it behind HTTP.

Requests are read and answers written through the models of kfp-server-api, so that a field that KFP does not know is
refused here too. Taken from KFP's sources: names of recurring runs are not unique; times are whole seconds; 64-bit
numbers travel as text; empty lists are left out; `mode` and `status` follow the stored flag; a store of pipelines in
Kubernetes knows no filter but IS_SUBSTRING; deleting a recurring run kills what runs under it.
"""

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

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
    log: list[tuple[str, str]] = field(default_factory=list)  # method and path of each request that was worked on
    killed: list[str] = field(default_factory=list)  # runs that lost their owner while they ran
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
                    pipeline_id=_id(), name=pipeline, display_name=pipeline, namespace=namespace, created_at=self.now()
                )
                self.pipelines.append(found)
            version = api.V2beta1PipelineVersion(
                pipeline_id=found.pipeline_id,
                pipeline_version_id=_id(),
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
                recurring_run_id=_id(),
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
                run_id=_id(),
                display_name=owner.display_name,
                recurring_run_id=recurring_run_id,
                state="RUNNING",
                created_at=self.now(),
                experiment_id=owner.experiment_id,
            )
            self.runs.append(run)
            return run

    def rights(self) -> set[str]:
        """What an RBAC role must allow for all that was done, `resource: verb`, as KFP's server asks Kubernetes."""
        return {
            _right(method, path.removeprefix("/apis/v2beta1/"))
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


def _id() -> str:
    return str(uuid.uuid4())


def _right(method: str, path: str) -> str:
    names = path.partition(":")[0].split("/")
    resource = {"recurringruns": "jobs"}.get(names[0], names[0])
    listing = len(names) in (1, 3) and names[1:2] != ["names"]
    verb = path.partition(":")[2] or {"POST": "create", "DELETE": "delete", "GET": "list" if listing else "get"}[method]
    return f"{resource}: {verb}"


def routes(server: KfpServer) -> list[tuple[str, str, Callable[..., Any]]]:
    base = "/apis/v2beta1"
    return [
        (
            "GET",
            f"{base}/healthz",
            lambda query: api.V2beta1GetHealthzResponse(
                multi_user=server.multi_user or None, pipeline_store=server.store
            ),
        ),
        (
            "GET",
            f"{base}/pipelines/names/([^/]+)",
            lambda query, name: _by_name(server, name, query.get("namespace", "")),
        ),
        (
            "GET",
            f"{base}/pipelines",
            lambda query: _list(server, query, server.pipelines, "pipelines", api.V2beta1ListPipelinesResponse),
        ),
        ("POST", f"{base}/pipelines/upload_version", lambda query, file: _upload(server, query, file)),
        ("POST", f"{base}/pipelines", lambda query, body: _create_pipeline(server, body)),
        (
            "GET",
            f"{base}/pipelines/([^/]+)/versions",
            lambda query, pipeline: _list(
                server,
                query,
                [each for each in server.versions if each.pipeline_id == pipeline],
                "pipeline_versions",
                api.V2beta1ListPipelineVersionsResponse,
            ),
        ),
        (
            "GET",
            f"{base}/pipelines/([^/]+)/versions/([^/]+)",
            lambda query, pipeline, version: _one(
                server.versions, lambda each: (each.pipeline_id, each.pipeline_version_id) == (pipeline, version)
            ),
        ),
        (
            "GET",
            f"{base}/experiments",
            lambda query: _list(server, query, server.experiments, "experiments", api.V2beta1ListExperimentsResponse),
        ),
        ("POST", f"{base}/experiments", lambda query, body: _create_experiment(server, body)),
        (
            "GET",
            f"{base}/recurringruns",
            lambda query: _list(
                server, query, server.recurring, "recurring_runs", api.V2beta1ListRecurringRunsResponse
            ),
        ),
        ("POST", f"{base}/recurringruns", lambda query, body: _create_recurring(server, body)),
        (
            "POST",
            f"{base}/recurringruns/([^/]+):(enable|disable)",
            lambda query, body, id_, word: _switch(server, id_, word),
        ),
        ("DELETE", f"{base}/recurringruns/([^/]+)", lambda query, id_: _delete_recurring(server, id_)),
        ("GET", f"{base}/runs", lambda query: _list(server, query, server.runs, "runs", api.V2beta1ListRunsResponse)),
        ("POST", f"{base}/runs", lambda query, body: _create_run(server, body)),
        ("GET", f"{base}/runs/([^/]+)", lambda query, id_: _one(server.runs, lambda each: each.run_id == id_)),
    ]


def _one(items: list[Any], matches: Callable[[Any], bool]) -> Any:
    for item in items:
        if matches(item):
            return item
    raise Refused(404, "Failed to get it: ResourceNotFoundError: not found")


def _by_name(server: KfpServer, name: str, namespace: str) -> Any:
    if namespace:
        _allowed(server, namespace)
    return _one(server.pipelines, lambda each: (each.name, each.namespace or "") == (name, namespace))


def _list(server: KfpServer, query: dict[str, str], items: list[Any], name: str, response: Any) -> Any:
    """A page, filtered and sorted; the token is where the next page begins."""
    namespace = query.get("namespace", "")
    if name in ("experiments", "recurring_runs", "runs") and server.multi_user:
        _allowed(server, namespace)
        home = {each.experiment_id for each in server.experiments if each.namespace == namespace}
        items = [item for item in items if item.experiment_id in home or getattr(item, "namespace", None) == namespace]
    for condition in json.loads(unquote_plus(query["filter"]))["predicates"] if query.get("filter") else []:
        if set(condition) - {"operation", "key", "string_value", "stringValue"}:
            raise Refused(400, "Invalid filter")
        if (
            server.store == "kubernetes"
            and name in ("pipelines", "pipeline_versions")
            and condition["operation"] != "IS_SUBSTRING"
        ):
            raise Refused(400, "Filter eq is not implemented for Kubernetes pipeline store")
        items = [item for item in items if _matches(item, condition)]
    key, _, order = query.get("sort_by", "created_at").partition(" ")
    unsorted = [(getattr(item, key or "created_at"), place, item) for place, item in enumerate(items)]
    items = [item for _, _, item in sorted(unsorted, key=lambda each: each[:2], reverse=order == "desc")]
    start = int(query.get("page_token") or 0)
    size = min(int(query.get("page_size") or 20), 200)
    more = str(start + size) if start + size < len(items) else None
    return response(**{name: items[start : start + size] or None}, total_size=len(items), next_page_token=more)


def _matches(item: Any, condition: dict[str, str]) -> bool:
    value = getattr(item, condition["key"]) or ""
    wanted = condition.get("string_value", condition.get("stringValue", ""))
    return bool(value == wanted if condition["operation"] == "EQUALS" else wanted.lower() in value.lower())


def _allowed(server: KfpServer, namespace: str | None) -> None:
    if not namespace:
        raise Refused(400, "Invalid input error: a namespace is needed in multi-user mode")
    if namespace not in server.namespaces:
        raise Refused(403, f"User 'robot' is not authorized with reason: (request: namespace:{namespace} verb:list)")


def _create_pipeline(server: KfpServer, body: Any) -> Any:
    pipeline = _parse(body, api.V2beta1Pipeline)
    if server.multi_user:
        _allowed(server, pipeline.namespace)
    if any(
        each.name == pipeline.name and (each.namespace or "") == (pipeline.namespace or "") for each in server.pipelines
    ):
        raise Refused(409, "Failed to create a pipeline: already exists")
    pipeline.pipeline_id = _id()
    pipeline.created_at = server.now()
    server.pipelines.append(pipeline)
    return pipeline


def _upload(server: KfpServer, query: dict[str, str], file: bytes) -> Any:
    if not file.startswith(b"# PIPELINE DEFINITION"):
        raise Refused(400, "Failed to create a pipeline version")
    if any((each.pipeline_id, each.name) == (query["pipelineid"], query["name"]) for each in server.versions):
        raise Refused(409, "Failed to create a pipeline version")
    version = api.V2beta1PipelineVersion(
        pipeline_id=query["pipelineid"],
        pipeline_version_id=_id(),
        name=query["name"],
        display_name=query.get("display_name") or query["name"],
        created_at=server.now(),
    )
    server.versions.append(version)
    return version


def _create_experiment(server: KfpServer, body: Any) -> Any:
    experiment = _parse(body, api.V2beta1Experiment)
    if server.multi_user:
        _allowed(server, experiment.namespace)
    if any(
        (each.display_name, each.namespace) == (experiment.display_name, experiment.namespace)
        for each in server.experiments
    ):
        raise Refused(409, f"Experiment {experiment.display_name} already exists")
    experiment.experiment_id = _id()
    experiment.created_at = server.now()
    server.experiments.append(experiment)
    return experiment


def _resolve(server: KfpServer, thing: Any) -> None:
    """What every start is checked for."""
    _one(server.experiments, lambda each: each.experiment_id == thing.experiment_id)
    reference = thing.pipeline_version_reference
    _one(
        server.versions,
        lambda each: (
            each.pipeline_id == reference.pipeline_id
            and reference.pipeline_version_id in (None, each.pipeline_version_id)
        ),
    )
    if None in (thing.runtime_config.parameters or EMPTY).values():
        raise Refused(400, "Invalid input: parameter is null")


def _create_recurring(server: KfpServer, body: Any) -> Any:
    run = _parse(body, api.V2beta1RecurringRun)
    if server.multi_user:
        _allowed(server, run.namespace)
    _resolve(server, run)
    if not 1 <= int(run.max_concurrency or 0) <= 10:
        raise Refused(400, "The max concurrency of the recurring run is out of range. Support 1-10.")
    if len(run.trigger.cron_schedule.cron.split()) not in (5, 6):
        raise Refused(400, "Schedule cron is not a supported format")
    run.recurring_run_id = _id()
    run.created_at = server.now()
    run.updated_at = server.now()
    run.status = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[run.mode]
    run.service_account = run.service_account or "pipeline-runner"
    server.recurring.append(run)
    return run


def _switch(server: KfpServer, id_: str, word: str) -> dict[str, Any]:
    run = _one(server.recurring, lambda each: each.recurring_run_id == id_)
    run.mode = word.upper()
    run.status = f"{word.upper()}D"
    run.updated_at = server.now()
    return EMPTY


def _delete_recurring(server: KfpServer, id_: str) -> dict[str, Any]:
    server.recurring.remove(_one(server.recurring, lambda each: each.recurring_run_id == id_))
    for run in server.runs:
        if run.recurring_run_id == id_ and run.state == "RUNNING":
            run.state = "FAILED"
            server.killed.append(run.run_id)
    return EMPTY


def _create_run(server: KfpServer, body: Any) -> Any:
    run = _parse(body, api.V2beta1Run)
    _resolve(server, run)
    run.run_id = _id()
    run.created_at = server.now()
    run.state = "PENDING"
    server.runs.append(run)
    return run


def _parse(body: bytes, model: Any) -> Any:
    """The model that a body holds; a key that it does not have is refused, as protojson does."""
    values = json.loads(body)
    unknown = set(values) - set(model.attribute_map.values())
    if unknown:
        raise Refused(400, f'proto: unknown field "{unknown.pop()}"')

    class Body:
        data = body

    return api.ApiClient().deserialize(Body, model.__name__)
