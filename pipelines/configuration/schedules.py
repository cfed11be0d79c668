"""The schedules file: which run configurations Kubeflow Pipelines starts by itself, and when."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from components.common.check import explain, refuse_unknown
from components.common.errors import BadInputError
from components.common.settings import Count, Settings
from pipelines.configuration.config import RunConfig, load_config
from pipelines.configuration.cron import check_cron
from pipelines.configuration.files import Layer, read_yaml
from pipelines.configuration.version import COMMITTED, COMPILED, MONITORED, WANTED, is_watch
from pipelines.configuration.zones import check_zone, stretches

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]


Started = Literal["training", "monitoring"]


class Schedule(Settings):
    """One run configuration, started again and again."""

    cron: str
    """Six fields, second minute hour day month weekday; in `time_zone`."""
    time_zone: str | None = None
    """Name in the IANA database, such as Europe/Berlin; the platform's own must then be UTC. Null: the platform's,
    which is UTC unless its CRON_SCHEDULE_TIMEZONE differs. A time that the clocks leave out does not come that day, one
    that they show twice comes twice.
    """
    config: Annotated[str, Field(min_length=1)]
    """Run configuration, relative to this file."""
    pipeline: Started = "training"
    """`training`: the run of the configuration; `monitoring`: the watch over the model that it releases, as its section
    `monitor` says, which starts a training run of it on an alarm where `monitor.train` is true.
    """
    pipeline_version: Annotated[str, Field(pattern=WANTED)] = COMMITTED
    """`committed`: the pipeline compiled beside this file; `latest`: the newest on the server at each start; or a name
    to stay with.
    """
    service_account: str | None = None
    """Kubernetes service account of its runs; null: the file's. That of a watch may start runs, if it is to train."""
    paused: bool = False
    """Nothing starts; what runs goes on. Taken back, the next time is the first: missed ones are not made up for."""
    max_concurrency: Annotated[int, Field(ge=1, le=10)] = 1
    """Runs of this schedule at once; while there are as many, starts wait, and when one ends only the last comes."""

    @field_validator("cron")
    @classmethod
    def _six_fields(cls, cron: str) -> str:
        return check_cron(cron)

    @field_validator("pipeline_version")
    @classmethod
    def _of_its_pipeline(cls, version: str, info: ValidationInfo) -> str:
        """A pinned version is one of the pipeline that is started."""
        watch = info.data.get("pipeline") == "monitoring"
        if "pipeline" in info.data and is_watch(version) not in (None, watch):
            other = next(word for word in get_args(Started) if word != info.data["pipeline"])
            raise ValueError(
                f"got {version!r}, which is a version of the pipeline `{other}`; expected one of "
                f"`{info.data['pipeline']}`, {COMMITTED} or latest"
            )
        return version

    @field_validator("time_zone")
    @classmethod
    def _sayable_in_utc(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None and "cron" in info.data:  # a wrong one is told by itself
            stretches(info.data["cron"], check_zone(name), datetime.now(UTC))
        return name


class Schedules(Settings):
    """All recurring runs that Git keeps on a server."""

    version: Literal[1]
    """Version of this file's format."""
    app: Name = "gleaner"
    """Owner: recurring runs named gitops/<app>/… are made equal to this file, others are never touched. One file for
    each app.
    """
    experiment: Annotated[str, Field(min_length=1)] = "gleaner"
    """Experiment under which the runs are listed."""
    service_account: str = ""
    """Kubernetes service account of the runs; empty: the platform's default."""
    compiled: str = ""
    """Folder, relative to this file, of the compiled pipelines that `committed` means: training.yaml, and others named
    after configurations beside this file. Empty: those that this gleaner was installed with."""
    platform_generation: Annotated[int, Field(ge=0)] = 1
    """Raise it after an upgrade of Kubeflow Pipelines: a schedule holds what the old platform made of its version."""
    keep_days: Count = 14
    """Days without a run after which nothing is left of a schedule that the file no longer has, where pruning is asked
    for. Of one that it has, the last two disabled recurring runs stay beside what is enabled. All runs stay."""
    schedules: dict[Name, Schedule]
    """Schedules by name: lower-case letters, digits and dashes."""


def load_schedules(path: Path) -> tuple[Schedules, dict[str, RunConfig]]:
    """The file and the run configuration of each schedule; the first mistake in any of them is a BadInputError."""
    layer = read_yaml(path, "a schedules file such as pipelines/configs/schedules.yaml")
    refuse_unknown(Schedules, {key: place for key, place in layer.places.items() if len(key) == 1})
    entries = layer.values.get("schedules")
    if entries is None and "schedules" in layer.values:
        layer.values["schedules"] = {}  # every one of them commented out
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        _check_entry(name, entry, layer, path)
    try:
        schedules = Schedules.model_validate_json(json.dumps(layer.values, default=str), strict=True)
    except ValidationError as error:
        raise BadInputError(explain(Schedules, error, layer.places, path)) from None
    if schedules.compiled and not (path.parent / schedules.compiled / COMPILED.name).is_file():
        raise BadInputError(
            f"{layer.places['compiled',]}: compiled: no {COMPILED.name} in {path.parent / schedules.compiled}"
        )
    watched = [name for name, schedule in schedules.schedules.items() if schedule.pipeline == "monitoring"]
    if schedules.compiled and watched and not (path.parent / schedules.compiled / MONITORED.name).is_file():
        raise BadInputError(
            f"{layer.places['schedules', watched[0], 'pipeline']}: pipeline: no {MONITORED.name} in "
            f"{path.parent / schedules.compiled}; expected `gleaner compile` run and committed"
        )
    return schedules, {
        name: _run_config(schedule, path, layer.places["schedules", name, "config"])
        for name, schedule in schedules.schedules.items()
    }


def on_cluster(config: RunConfig) -> bool:
    """Whether pods can reach all that a configuration names: they share no folders."""
    return all(value.startswith("s3://") for value in (config.source, config.store)) and not config.object_store


def refuse_folders(config: RunConfig, where: str) -> None:
    """BadInputError for what only this machine has."""
    for key in ("source", "store"):
        value = getattr(config, key)
        if not value.startswith("s3://"):
            raise BadInputError(
                f"{where}: {key}: got {value!r}, expected s3://bucket/prefix: the stages run on other machines"
            )
    if config.object_store:
        raise BadInputError(
            f"{where}: object_store: got {config.object_store!r}, expected null: that server is on this machine, "
            "and the stages run on others"
        )


def schema() -> str:
    """JSON schema of a schedules file, for editors."""
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Schedules.model_json_schema()}
    return json.dumps(about, indent=2, ensure_ascii=False) + "\n"


def _check_entry(name: str, entry: Any, file: Layer, path: Path) -> None:
    """A mistake inside one schedule, told with its own line."""
    above = ("schedules", name)
    if not isinstance(entry, dict):
        raise BadInputError(f"{file.places[above]}: {name}: got {entry!r}, expected a section of `key: value` lines")
    inner = Layer(entry, {key[2:]: place for key, place in file.places.items() if key[:2] == above and len(key) > 2})
    refuse_unknown(Schedule, inner.places)
    try:
        Schedule.model_validate_json(json.dumps(entry, default=str), strict=True)
    except ValidationError as error:
        raise BadInputError(explain(Schedule, error, inner.places, Path(f"{file.places[above]}: {name}"))) from None


def _run_config(schedule: Schedule, path: Path, place: str) -> RunConfig:
    file = path.parent / schedule.config
    if not file.is_file():
        raise BadInputError(
            f"{place}: config: no such file ({file}); expected a run configuration, relative to {path.parent}/"
        )
    config = load_config(file)
    refuse_folders(config, str(file))
    return config
