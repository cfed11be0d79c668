"""Start a run of a pipeline once, though answers get lost, and find it again by its name."""

import math
import os
import time
from collections.abc import Callable
from typing import Any

import kfp_server_api

from components.common.errors import BadInputError
from components.common.kubeflow import server as connection
from components.common.kubeflow.objects import Reference
from components.common.kubeflow.server import FINISHED, Kubeflow, TransientError, predicate


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


def start(server: Kubeflow, run: kfp_server_api.V2beta1Run, until: float = math.inf) -> str:
    """Start a run whose name nobody else has, and return its id.

    Where the server's answer is lost, the run is looked for by its name before it is asked for again. until: by
    time.monotonic(); nothing is asked for after it. Raises TransientError where the server is away.
    """
    for pause in (*connection.PAUSES, None):
        if time.monotonic() >= until:
            raise TransientError(f"{server.host}: did not answer in time whether it has started {run.display_name}")
        try:
            return str(server.call(server.runs.run_service_create_run, run).run_id)
        except TransientError:
            if pause is None:
                raise
            time.sleep(pause)
        for same in named(server, run.display_name):
            return str(same.run_id)
    raise AssertionError("unreachable")


def end_doubles(server: Kubeflow, name: str, say: Callable[[str], None]) -> None:
    """Leave one run of a name: the first that was made stays, the others are ended, those that still run.

    A request that the server was slow to answer may be granted after it was given up and asked anew.
    """
    for double in named(server, name)[1:]:
        if double.state in (*FINISHED, "CANCELING"):
            continue
        try:
            server.call(server.runs.run_service_terminate_run, double.run_id)
            say(f"ended {link(server, double.run_id)}, a second run of the name {name}")
        except BadInputError as error:
            say(f"{link(server, double.run_id)} is a second run of the name {name}, end it by hand: {error}")


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
