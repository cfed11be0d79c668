"""Start a run of a pipeline once, though answers get lost, and find it again by its name."""

import os
import time
from typing import Any

import kfp_server_api

from components.common.kubeflow import server as connection
from components.common.kubeflow.objects import Reference
from components.common.kubeflow.server import Kubeflow, TransientError, predicate


def body(
    name: str,
    values: dict[str, Any],
    version: Reference,
    experiment: str,
    service_account: str = "",
    description: str = "",
) -> kfp_server_api.V2beta1Run:
    """What is sent to start a run. values: the pipeline's parameters. experiment: its id."""
    return kfp_server_api.V2beta1Run(
        display_name=name,
        description=description or None,
        experiment_id=experiment,
        service_account=service_account or None,
        pipeline_version_reference=kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=version.pipeline_id, pipeline_version_id=version.version_id
        ),
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=values),
    )


def start(server: Kubeflow, run: kfp_server_api.V2beta1Run) -> str:
    """Start a run whose name nobody else has, and return its id.

    Where the server's answer is lost, the run is looked for by its name before it is asked for again.
    """
    for pause in connection.PAUSES:
        try:
            return _create(server, run)
        except TransientError:
            time.sleep(pause)
        for same in named(server, run.display_name):
            return str(same.run_id)
    return _create(server, run)


def named(server: Kubeflow, name: str) -> list[Any]:
    """The runs of a name, the first that was made at the front; archived ones too."""
    runs = server.pages(
        server.runs.run_service_list_runs,
        "runs",
        namespace=server.namespace,
        filter=predicate("EQUALS", "display_name", name),
    )
    return sorted(runs, key=lambda run: (run.created_at, run.run_id))


def link(server: Kubeflow, run_id: str) -> str:
    """The page of a run; KF_PIPELINES_UI_ENDPOINT is where the UI is, if not where the API is."""
    base = os.environ.get("KF_PIPELINES_UI_ENDPOINT", server.host).rstrip("/")
    return f"{base}/#/runs/details/{run_id}"


def _create(server: Kubeflow, run: kfp_server_api.V2beta1Run) -> str:
    return str(server.call(server.runs.run_service_create_run, run).run_id)
