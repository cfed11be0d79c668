"""Find or upload the version of the pipeline that a run or a schedule asks for."""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import kfp_server_api

from components.common.errors import BadInputError
from components.common.kubeflow import LATEST
from components.common.kubeflow.objects import Reference, find_or_make, find_pipeline, find_version
from components.common.kubeflow.server import Kubeflow
from pipelines.configuration.version import (
    COMMITTED,
    COMPILED,
    named,
    parse,
    pipeline_of,
    shown_name,
    version_name,
)

POLL = 5.0  # seconds between looks for a version that is on its way


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

    pipeline = find_or_make(lambda: find_pipeline(server, of), make_pipeline)
    return find_or_make(lambda: find_version(server, name, of), make_version)


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
