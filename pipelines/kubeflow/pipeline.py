"""Find or create the pipeline, its versions and the experiment that runs and schedules need."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import kfp_server_api

from components.common.errors import BadInputError
from pipelines.configuration.version import (
    COMMITTED,
    COMPILED,
    LATEST,
    named,
    parse,
    pipeline_of,
    shown_name,
    version_name,
)
from pipelines.kubeflow import server as kubeflow
from pipelines.kubeflow.server import AbsentError, ConflictError, Kubeflow, TransientError, predicate

T = TypeVar("T")
POLL = 5.0  # seconds between looks for a version that is on its way


@dataclass(frozen=True)
class Reference:
    """What the server starts: this version, or without one the newest at the time of each start."""

    pipeline_id: str
    version_id: str | None


def find_version(server: Kubeflow, name: str, of: str) -> Reference | None:
    """The version of this name of a pipeline, or of `latest` the pipeline once it has a version; None where the server
    has it not (yet).
    """
    pipeline = find_pipeline(server, of)
    if pipeline is None:
        return None
    # No filter: a server that keeps pipelines in Kubernetes knows none but "is a part of". What is looked for is among
    # the newest.
    for version in server.pages(
        server.pipelines.pipeline_service_list_pipeline_versions,
        "pipeline_versions",
        pipeline,
        size=20,
        sort_by="created_at desc",
    ):
        if name == LATEST:
            return Reference(pipeline, None)
        if name == (version.name or version.display_name):
            return Reference(pipeline, version.pipeline_version_id)
    return None


def provide_version(
    server: Kubeflow, wanted: str, say: Callable[[str], None], compiled: Path = COMPILED, wait: float = 0
) -> Reference:
    """The version that is wanted, uploaded where the server keeps pipelines in its database and this is the one
    compiled here.

    Where it keeps them in Kubernetes, or somebody else has to upload it, say so and wait for it: seconds, then
    BadInputError.
    """
    name = named(wanted, compiled)
    of = pipeline_of(wanted, compiled)
    ours = wanted in (COMMITTED, LATEST) or name == version_name(compiled)
    if server.pipeline_store == "database" and ours:
        uploaded = _upload(server, compiled)
        return Reference(uploaded.pipeline_id, None) if wanted == LATEST else uploaded
    deadline = time.monotonic() + wait
    found = find_version(server, name, of)
    if found is None and wait > 0:
        say(f"waiting {wait:g} s at most: {_missing(server, name, of)}")
    while found is None:
        if time.monotonic() >= deadline:
            raise BadInputError(f"{server.host}: {_missing(server, name, of)}")
        time.sleep(POLL)
        found = find_version(server, name, of)
    return found


def find_pipeline(server: Kubeflow, name: str) -> str | None:
    """The id of a pipeline: the namespace's own, else the one that all namespaces share."""
    for namespace in dict.fromkeys([server.namespace, ""]):
        try:
            pipeline = server.read(server.pipelines.pipeline_service_get_pipeline_by_name, name, namespace=namespace)
        except TransientError:
            raise
        except BadInputError as error:
            if namespace == server.namespace and not isinstance(error, AbsentError):
                raise
            continue  # a server may refuse to show what is shared
        return str(pipeline.pipeline_id)
    return None


def find_experiment(server: Kubeflow, name: str) -> str | None:
    same = predicate("EQUALS", "display_name", name)
    found = server.pages(
        server.experiments.experiment_service_list_experiments, "experiments", filter=same, namespace=server.namespace
    )
    return next((str(experiment.experiment_id) for experiment in found if experiment.display_name == name), None)


def provide_experiment(server: Kubeflow, name: str) -> str:
    """The id of the experiment, made where there is none."""

    def make() -> str:
        experiment = kfp_server_api.V2beta1Experiment(display_name=name, namespace=server.namespace or None)
        return str(server.call(server.experiments.experiment_service_create_experiment, experiment).experiment_id)

    return _find_or_make(lambda: find_experiment(server, name), make)


def _upload(server: Kubeflow, compiled: Path) -> Reference:
    """The version compiled here, in the server's database; nothing happens where it is there already."""
    name = version_name(compiled)
    ir = parse(compiled.read_text(encoding="utf-8"))[0]
    info = ir["pipelineInfo"]
    of = info["name"]

    def make_pipeline() -> str:
        pipeline = kfp_server_api.V2beta1Pipeline(
            display_name=of, name=of, description=info["description"], namespace=server.namespace or None
        )
        return str(server.call(server.pipelines.pipeline_service_create_pipeline, pipeline).pipeline_id)

    def make_version() -> Reference:
        version = server.call(
            server.uploads.upload_pipeline_version,
            str(compiled),
            name=name,
            display_name=shown_name(ir, name),
            description=info["description"],
            pipelineid=pipeline,
        )
        return Reference(pipeline, str(version.pipeline_version_id))

    pipeline = _find_or_make(lambda: find_pipeline(server, of), make_pipeline)
    return _find_or_make(lambda: find_version(server, name, of), make_version)


def _find_or_make(find: Callable[[], T | None], make: Callable[[], T]) -> T:
    """Look, then make; an answer that is lost, or somebody who was faster, leads to another look, never to a second
    one.
    """
    for pause in kubeflow.PAUSES:
        found = find()
        if found is not None:
            return found
        try:
            return make()
        except (TransientError, ConflictError):
            time.sleep(pause)
    return find() or make()


def _missing(server: Kubeflow, name: str, of: str) -> str:
    hint = (
        "expected Argo CD to apply it from manifests/"
        if server.pipeline_store == "kubernetes"
        else f"expected `{COMMITTED}`, `{LATEST}` or one that was uploaded before"
    )
    pipeline = find_pipeline(server, of)
    if pipeline is None:
        others = server.pages(server.pipelines.pipeline_service_list_pipelines, "pipelines", namespace=server.namespace)
        return f"unknown pipeline {of!r}; there are: {_names(others)}; {hint}"
    versions = server.pages(
        server.pipelines.pipeline_service_list_pipeline_versions,
        "pipeline_versions",
        pipeline,
        size=5,
        sort_by="created_at desc",
    )
    return f"pipeline {of} has no version {name}; its newest: {_names(versions)}; {hint}"


def _names(items: Iterator[Any]) -> str:
    return ", ".join(item.name or item.display_name for item in islice(items, 5)) or "none"
