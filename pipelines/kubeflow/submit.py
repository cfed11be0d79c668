"""`gleaner submit`: start a run of a configuration on Kubeflow Pipelines."""

import os
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kfp_server_api

from components.plan.form import fill
from pipelines.configuration.config import RunConfig
from pipelines.configuration.schedules import refuse_folders
from pipelines.configuration.version import COMPILED
from pipelines.kubeflow import server as kubeflow
from pipelines.kubeflow.pipeline import Reference, provide_experiment, provide_version
from pipelines.kubeflow.server import Kubeflow, TransientError, predicate


def arguments(config: RunConfig, file: Path) -> dict[str, Any]:
    """The pipeline's parameters: its form as the configuration fills it in; BadInputError for what only this machine
    has.
    """
    refuse_folders(config, str(file))
    return fill(config)


def start(
    server: Kubeflow,
    name: str,
    values: dict[str, Any],
    version: str,
    experiment: str,
    say: Callable[[str], None],
    service_account: str = "",
    wait: float = 0,
    compiled: Path = COMPILED,
) -> str:
    """Start a run and return its id; `compiled` is the file that `committed` means.

    Where the server's answer is lost, the run is looked for by its name, which nobody else has.
    """
    unique = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    reference = provide_version(server, version, say, compiled, wait)
    body = _run(unique, values, reference, provide_experiment(server, experiment), service_account)
    for pause in kubeflow.PAUSES:
        try:
            return str(server.call(server.runs.run_service_create_run, body).run_id)
        except TransientError:
            time.sleep(pause)
        same = server.pages(
            server.runs.run_service_list_runs,
            "runs",
            namespace=server.namespace,
            filter=predicate("EQUALS", "display_name", unique),
        )
        for run in same:
            return str(run.run_id)
    return str(server.call(server.runs.run_service_create_run, body).run_id)


def link(server: Kubeflow, run_id: str) -> str:
    """The page of a run; KF_PIPELINES_UI_ENDPOINT is where the UI is, if not where the API is."""
    base = os.environ.get("KF_PIPELINES_UI_ENDPOINT", server.host).rstrip("/")
    return f"{base}/#/runs/details/{run_id}"


def _run(
    name: str, values: dict[str, Any], version: Reference, experiment: str, service_account: str
) -> kfp_server_api.V2beta1Run:
    return kfp_server_api.V2beta1Run(
        display_name=name,
        experiment_id=experiment,
        service_account=service_account or None,
        pipeline_version_reference=kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=version.pipeline_id, pipeline_version_id=version.version_id
        ),
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=values),
    )
