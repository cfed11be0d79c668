"""`gleaner submit`: start a run of a configuration on Kubeflow Pipelines."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.common.kubeflow import runs
from components.common.kubeflow.objects import provide_experiment
from components.common.kubeflow.server import Kubeflow
from components.plan.form import fill
from pipelines.configuration.config import RunConfig
from pipelines.configuration.schedules import refuse_folders
from pipelines.configuration.version import COMPILED
from pipelines.kubeflow.pipeline import provide_version


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
    run = runs.body(unique, values, reference, provide_experiment(server, experiment), service_account)
    return runs.start(server, run)
