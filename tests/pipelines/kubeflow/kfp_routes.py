"""What each request of the Kubeflow Pipelines API does to the state of the server."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

import kfp_server_api as api

from tests.pipelines.kubeflow.kfp_state import EMPTY, KfpServer, Refused, new_id

BASE = "/apis/v2beta1"
Routes = list[tuple[str, str, Callable[..., Any]]]


def routes(server: KfpServer) -> Routes:
    return [*_pipeline_routes(server), *_run_routes(server)]


def _pipeline_routes(server: KfpServer) -> Routes:
    return [
        (
            "GET",
            f"{BASE}/healthz",
            lambda query: api.V2beta1GetHealthzResponse(
                multi_user=server.multi_user or None, pipeline_store=server.store
            ),
        ),
        (
            "GET",
            f"{BASE}/pipelines/names/([^/]+)",
            lambda query, name: _by_name(server, name, query.get("namespace", "")),
        ),
        (
            "GET",
            f"{BASE}/pipelines",
            lambda query: _list(server, query, server.pipelines, "pipelines", api.V2beta1ListPipelinesResponse),
        ),
        ("POST", f"{BASE}/pipelines/upload_version", lambda query, file: _upload(server, query, file)),
        ("POST", f"{BASE}/pipelines", lambda query, body: _create_pipeline(server, body)),
        (
            "GET",
            f"{BASE}/pipelines/([^/]+)/versions",
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
            f"{BASE}/pipelines/([^/]+)/versions/([^/]+)",
            lambda query, pipeline, version: _one(
                server.versions, lambda each: (each.pipeline_id, each.pipeline_version_id) == (pipeline, version)
            ),
        ),
        (
            "GET",
            f"{BASE}/experiments",
            lambda query: _list(server, query, server.experiments, "experiments", api.V2beta1ListExperimentsResponse),
        ),
        ("POST", f"{BASE}/experiments", lambda query, body: _create_experiment(server, body)),
    ]


def _run_routes(server: KfpServer) -> Routes:
    return [
        (
            "GET",
            f"{BASE}/recurringruns",
            lambda query: _list(
                server, query, server.recurring, "recurring_runs", api.V2beta1ListRecurringRunsResponse
            ),
        ),
        ("POST", f"{BASE}/recurringruns", lambda query, body: _create_recurring(server, body)),
        (
            "POST",
            f"{BASE}/recurringruns/([^/]+):(enable|disable)",
            lambda query, body, id_, word: _switch(server, id_, word),
        ),
        ("DELETE", f"{BASE}/recurringruns/([^/]+)", lambda query, id_: _delete_recurring(server, id_)),
        ("GET", f"{BASE}/runs", lambda query: _list(server, query, server.runs, "runs", api.V2beta1ListRunsResponse)),
        ("POST", f"{BASE}/runs", lambda query, body: _create_run(server, body)),
        ("POST", f"{BASE}/runs/([^/]+):terminate", lambda query, body, id_: _terminate(server, id_)),
        ("GET", f"{BASE}/runs/([^/]+)", lambda query, id_: _one(server.runs, lambda each: each.run_id == id_)),
        ("GET", "/apis/v1beta1/runs/([^/]+)", lambda query, id_: _run_of_old(server, id_)),
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
    pipeline.pipeline_id = new_id()
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
        pipeline_version_id=new_id(),
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
    experiment.experiment_id = new_id()
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
    run.recurring_run_id = new_id()
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
    made_up = server.fire(id_) if word == "enable" and server.due(run) else None
    server.made_up += [made_up.run_id] if made_up else []
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
    run.run_id = new_id()
    run.created_at = server.now()
    run.state = "PENDING"
    server.runs.append(run)
    return run


def _terminate(server: KfpServer, id_: str) -> dict[str, Any]:
    run = _one(server.runs, lambda each: each.run_id == id_)
    run.state = "CANCELING"
    return EMPTY


def _run_of_old(server: KfpServer, id_: str) -> dict[str, Any]:
    """As the first API shows a run, which models of the second do not know."""
    run = _one(server.runs, lambda each: each.run_id == id_)
    if server.workflow is None:
        raise Refused(404, "Not Found")
    return {
        "run": {"id": id_, "name": run.display_name, "status": "Running"},
        "pipeline_runtime": {"workflow_manifest": json.dumps(server.workflow)},
    }


def _parse(body: bytes, model: Any) -> Any:
    """The model that a body holds; a key that it does not have is refused, as protojson does."""
    values = json.loads(body)
    unknown = set(values) - set(model.attribute_map.values())
    if unknown:
        raise Refused(400, f'proto: unknown field "{unknown.pop()}"')

    class Body:
        data = body

    return api.ApiClient().deserialize(Body, model.__name__)
