"""How an alarm starts a training run: what a monitor is told of it, and the start on Kubeflow, once."""

import copy
import os
import time
from typing import Any

from pydantic import ValidationError, model_validator

from components.common.clock import now
from components.common.errors import BadInputError, FailedError
from components.common.kubeflow import LATEST, runs
from components.common.kubeflow.objects import find_version, provide_experiment
from components.common.kubeflow.server import Kubeflow, TransientError, connect
from components.common.settings import Settings
from components.common.storage import Store
from components.monitor.claims import Claim, attempt, attempts, record, started

IN_CLUSTER = "http://ml-pipeline.kubeflow:8888"
DESCRIPTION = 255  # characters that Kubeflow's database has room for
PATIENCE = 300.0  # seconds that a server may be away
POLL = 5.0  # seconds between looks at the server, or at another monitor
WINDOW = 60.0  # seconds after an attempt began in which a run is asked for
LEASE = 150.0  # seconds after which an attempt of another monitor has ended: longer than WINDOW and one request


class Cluster(Settings):
    """A version of the training pipeline on Kubeflow, and how its runs are started."""

    pipeline: str
    version: str = LATEST
    experiment: str = "gleaner"
    service_account: str = ""


class Laptop(Settings):
    """A run configuration of this machine."""

    config: str
    overrides: tuple[str, ...] = ()


class Training(Settings):
    """Where a training run is started, and its parameters: the form of the training pipeline, as a person fills it in
    (components.plan.form).
    """

    kubeflow: Cluster | None = None
    local: Laptop | None = None
    parameters: dict[str, Any]

    @model_validator(mode="after")
    def _one_place(self) -> "Training":
        if (self.kubeflow is None) == (self.local is None):
            raise ValueError("expected either kubeflow or local")
        if not self.parameters.get("name"):
            raise ValueError("expected the form of the training pipeline as parameters, with its name")
        return self

    def setting(self, stage: str, name: str) -> Any:
        """What the form says of a setting; None where it says nothing."""
        if f"{stage}_{name}" in self.parameters:
            return self.parameters[f"{stage}_{name}"]
        return self.parameters.get("settings", {}).get(stage, {}).get(name)


def read_training(values: dict[str, Any]) -> Training | None:
    """The parameter `training` of the watch; None where it is empty. Raises BadInputError for its first mistake."""
    if not values:
        return None
    try:
        return Training.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["training", *map(str, first["loc"])])
        raise BadInputError(
            f'{where}: {first["msg"]}; expected {{"kubeflow": {{"pipeline": …, "version": …}}, "parameters": {{…}}}}, '
            "as `gleaner submit` and schedules fill it in"
        ) from None


def with_overrides(parameters: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """The form with other settings: a field where it has one, named `<stage>_<setting>`, else in its `settings`."""
    form = copy.deepcopy(parameters)
    for key, value in overrides.items():
        *above, last = key.split(".")
        field = "_".join([*above, last])
        if field in form:
            form[field] = value
            continue
        inside = form.setdefault("settings", {})
        for name in above:
            inside = inside.setdefault(name, {})
        inside[last] = value
    return form


def start(store: Store, model: str, claim: Claim, training: Training, page: str) -> dict[str, Any]:
    """Start the run of a claim on Kubeflow, or find it where it was started before; returns what is recorded of it.

    page: the path or URI of drift.html, for the run's description. Of any number of monitors that are killed at any
    moment, one run comes of it: each looks for a run of the claim's name first, and asks for one only while it holds
    the newest attempt and no other can still be asking. Raises FailedError where the server is away for long; the
    claim stands, and the next monitor starts the run.
    """
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return _started(store, model, claim, training, page)
        except TransientError as error:
            if time.monotonic() >= ends:
                raise FailedError(
                    f"{error}; training {claim.name} is claimed and not started: the next look of any monitor starts "
                    "it, or this one where it is run again"
                ) from None
            time.sleep(POLL)


def description(claim: Claim, page: str) -> str:
    """Why a run is there, and where the figures are, within DESCRIPTION characters."""
    room = DESCRIPTION - len(page) - 1
    why = claim.why if len(claim.why) <= room else f"{claim.why[: room - 1]}…"
    return f"{why} {page}" if room > 0 else page[:DESCRIPTION]


def _started(store: Store, model: str, claim: Claim, training: Training, page: str) -> dict[str, Any]:
    assert training.kubeflow is not None
    server = connect(os.environ.get("KF_PIPELINES_ENDPOINT") or IN_CLUSTER)
    began = _turn(store, model, claim.number)
    if began is None:
        return started(store, model, claim.number) or {}
    run_id = _asked(server, claim, training, page, began + WINDOW)
    run = {
        "run_id": run_id,
        "name": claim.name,
        "link": runs.link(server, run_id),
        "time": now().isoformat(timespec="seconds"),
    }
    record(store, model, claim.number, run)
    return started(store, model, claim.number) or run


def _turn(store: Store, model: str, number: int) -> float | None:
    """Wait until no other monitor starts this run, and hold the newest attempt; when that began, by time.monotonic(),
    or None where the run was started meanwhile.

    How long another one has had is measured by this machine's clock alone, from when its attempt was first seen.
    """
    seen, since = 0, -LEASE
    while started(store, model, number) is None:
        which = attempts(store, model, number)
        if which > seen:
            seen, since = which, time.monotonic()
        if which and time.monotonic() < since + LEASE:
            time.sleep(POLL)
            continue
        began = time.monotonic()
        if attempt(store, model, number, which + 1):
            return began
    return None


def _asked(server: Kubeflow, claim: Claim, training: Training, page: str, until: float) -> str:
    """The id of the run of a claim, asked for where there is none."""
    cluster = training.kubeflow
    assert cluster is not None
    found = runs.named(server, claim.name)
    if not found:
        version = find_version(server, cluster.version, cluster.pipeline)
        if version is None:
            raise BadInputError(
                f"{server.host}: pipeline {cluster.pipeline} has no version {cluster.version}; expected one that "
                "`gleaner schedules apply` or `gleaner submit` has brought there"
            )
        body = runs.body(
            claim.name,
            with_overrides(training.parameters, claim.overrides),
            version,
            provide_experiment(server, cluster.experiment),
            cluster.service_account,
            description(claim, page),
        )
        runs.start(server, body, until)
        runs.end_doubles(server, claim.name, print)
        found = runs.named(server, claim.name)
    return str(found[0].run_id)
