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
from pipelines.configuration.monitoring import on_kubeflow, watch
from pipelines.configuration.schedules import refuse_folders
from pipelines.configuration.version import Version
from pipelines.kubeflow.pipeline import provide_version


def arguments(config: RunConfig, file: Path) -> dict[str, Any]:
    """The training pipeline's parameters: its form as the configuration fills it in; BadInputError for what only this
    machine has.
    """
    refuse_folders(config, str(file))
    return fill(config)


def looking(
    config: RunConfig, file: Path, versions: list[Version], experiment: str, service_account: str
) -> dict[str, Any]:
    """The same of the watch; a training run that an alarm starts, of the last of the versions, gets the same experiment
    and account.
    """
    refuse_folders(config, str(file))
    return watch(config, on_kubeflow(config, versions[-1], experiment, service_account))


def start(
    server: Kubeflow,
    name: str,
    values: dict[str, Any],
    versions: list[Version],
    experiment: str,
    say: Callable[[str], None],
    service_account: str = "",
    wait: float = 0,
) -> str:
    """Start a run of the first of the versions, all of which are to be on the server, and return its id.

    Where the server's answer is lost, the run is looked for by its name, which nobody else has.
    """
    unique = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    references = [provide_version(server, word, say, compiled, wait) for word, compiled in versions]
    run = runs.body(unique, values, references[0], provide_experiment(server, experiment), service_account)
    return runs.start(server, run)
