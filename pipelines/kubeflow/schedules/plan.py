"""Plan recurring runs: what Git wants, what the server has, and the difference, as pure functions.

A recurring run can be created, enabled, disabled and deleted, not changed. So its name ends in a digest of everything
it says, `gitops/<app>/<schedule>@<8 hex>`, the whole digest stands in its description, and a change is a new one beside
the old:

    create the new, or enable it where it is there already  ->  look again  ->  disable the old  ->  look again
    ->  delete what is neither enabled nor among the last two of its schedule

A schedule with a time zone of its own is two recurring runs: one until the clocks change, one from then until they
change again (pipelines/configuration/zones.py).

Enabling makes up at once for the last start that was missed, whatever `no_catchup` says: the scheduler counts from the
last start that it made, which it keeps while the recurring run is disabled, and leaves out all missed ones but the last
(scheduled_workflow.go and cron_schedule.go in backend/src/crd/controller/scheduledworkflow/util of kubeflow/pipelines).
So one that has missed a start is made anew, and the old one of the same name goes.

Deleting a recurring run ends the runs that go on under it (https://github.com/kubeflow/pipelines/issues/7421), so it
waits for them; those that have ended stay. A crash between two steps leaves a schedule that fires twice for a while,
never one that does not fire.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from components.plan.form import fill
from pipelines.compiling.variants import CONFIGS, needed
from pipelines.configuration.config import RunConfig
from pipelines.configuration.monitoring import on_kubeflow, watch
from pipelines.configuration.schedules import Schedule, Schedules
from pipelines.configuration.version import COMPILED, Version, named
from pipelines.configuration.zones import Stretch, check_zone, stretches

DIGEST = re.compile(r"\bsha256:([0-9a-f]{64})\b")
NOW = datetime.max.replace(tzinfo=UTC)  # later than all that the server says, whose clock may be ahead
REMAINS = 2  # disabled recurring runs of a schedule that stay, for a revert and for the eye


@dataclass(frozen=True)
class Wanted:
    """A recurring run as Git says it."""

    schedule: str
    name: str  # of the recurring run
    digest: str
    paused: bool
    versions: list[Version]  # what is started, then what that may start itself
    content: dict[str, Any]  # all that the digest is of
    about: str  # for people, in Kubeflow's UI
    when: str  # for people, in a plan
    stretch: Stretch  # when it fires

    @property
    def description(self) -> str:
        return f"{self.about}\nsha256:{self.digest}"


@dataclass(frozen=True)
class Existing:
    """A recurring run of ours as the server says it."""

    id: str
    schedule: str
    name: str
    digest: str
    enabled: bool
    created_at: datetime
    content: dict[str, Any]  # as far as the server tells
    used_at: datetime  # NOW if it is enabled; else when it was made, or a run of it began or ended
    missed: bool = False  # a start, which the scheduler would make up for if it were enabled
    busy: bool = False  # runs go on under it
    idle: bool = False  # it was not used for keep_days


@dataclass(frozen=True)
class Action:
    kind: Literal["create", "enable", "disable", "delete"]
    schedule: str
    name: str
    id: str  # of the recurring run; empty for a new one
    reason: str


def prefix(app: str) -> str:
    """What the names of all our recurring runs begin with; whatever begins otherwise is somebody else's."""
    return f"gitops/{app}/"


def wanted_schedules(file: Schedules, configs: dict[str, RunConfig], folder: Path, now: datetime) -> dict[str, Wanted]:
    """The recurring runs of a file that lies in `folder`, by name, each with the digest of all that it starts and when.

    now: of the stretches of a time zone, those from then on.
    """
    wanted = []
    for name, schedule in file.schedules.items():
        versions = list(_versions(file, folder, schedule, configs[name]))
        zone = check_zone(schedule.time_zone) if schedule.time_zone else None
        always = Stretch(schedule.cron, None, None)
        for stretch in stretches(schedule.cron, zone, now) if zone else [always]:
            wanted.append(_wanted(name, file, configs[name], versions, stretch))
    return {want.name: want for want in wanted}


def _wanted(name: str, file: Schedules, config: RunConfig, versions: list[Version], stretch: Stretch) -> Wanted:
    schedule = file.schedules[name]
    account = file.service_account if schedule.service_account is None else schedule.service_account
    content = {
        "cron": stretch.cron,
        "max_concurrency": schedule.max_concurrency,
        "experiment": file.experiment,
        "service_account": account,
        "pipeline_version": named(*versions[0]),
        "platform_generation": file.platform_generation,
        "parameters": _parameters(file, schedule, config, versions),
    }
    about = (
        f"Kept by Git: change {schedule.config} or the schedule {name} there, not here. Pipeline "
        f"{content['pipeline_version']}, platform generation {file.platform_generation}."
    )
    when = schedule.cron
    if schedule.time_zone:  # not its start: the stretch to come is still the same one when it has begun
        content |= {"time_zone": schedule.time_zone, "until": to_minute(stretch.end)}
        when += f" in {schedule.time_zone} ({stretch.cron} in UTC{_between(stretch)})"
        about += f" Starts at {when}."
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return Wanted(
        name,
        f"{prefix(file.app)}{name}@{digest[:8]}",
        digest,
        schedule.paused,
        versions,
        content,
        about,
        when,
        stretch,
    )


def to_minute(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else None


def _between(stretch: Stretch) -> str:
    start, end = to_minute(stretch.start), to_minute(stretch.end)
    return (f" from {start}" if start else "") + (f" until {end}" if end else "")


def _parameters(file: Schedules, schedule: Schedule, config: RunConfig, versions: list[Version]) -> dict[str, Any]:
    """What the pipeline of a schedule is started with."""
    if schedule.pipeline == "training":
        return fill(config)
    return watch(config, on_kubeflow(config, versions[-1], file.experiment, file.service_account))


def _versions(file: Schedules, folder: Path, schedule: Schedule, config: RunConfig) -> list[Version]:
    """What a schedule needs, of the compiled pipelines of this commit."""
    compiled, configs = (folder / file.compiled, folder) if file.compiled else (COMPILED.parent, CONFIGS)
    stem = Path(schedule.config).stem
    return needed(schedule.pipeline, schedule.pipeline_version, config, stem, compiled, configs)


def plan(wanted: dict[str, Wanted], existing: list[Existing], prune: bool) -> list[Action]:
    """What makes the server equal to Git. `prune`: also what Git no longer says, and what is out of use.

    Of several equal ones that are enabled the oldest stays, whoever looks: two reconcilers that race agree.
    """
    actions: list[Action] = []
    for schedule in sorted({want.schedule for want in wanted.values()} | {run.schedule for run in existing}):
        wants = [want for want in wanted.values() if want.schedule == schedule]
        ours = [run for run in existing if run.schedule == schedule]
        stay = []
        for want in wants:
            if want.paused:
                continue
            run = same(want, ours)
            if run is None:
                actions.append(Action("create", schedule, want.name, "", _what(want)))
            elif not run.enabled:
                actions.append(Action("enable", schedule, run.name, run.id, f"as it was before: {_what(want)}"))
            stay += [run] if run else []
        others = [run for run in ours if run not in stay and (not run.enabled or wants or prune)]
        actions += [
            Action("disable", schedule, run.name, run.id, _why(run, wants))
            for run in sorted(others, key=_age)
            if run.enabled
        ]
        actions += _deletions(others, wants, prune)
    return actions


def same(want: Wanted, existing: list[Existing]) -> Existing | None:
    """The recurring run that is to be the enabled one for `want`: the oldest that is enabled, else that can be."""
    equal = sorted((run for run in existing if (run.name, run.digest) == (want.name, want.digest)), key=_age)
    fit = [run for run in equal if run.enabled] or [run for run in equal if not run.missed]
    return fit[0] if fit else None


def _deletions(others: list[Existing], wants: list[Wanted], prune: bool) -> list[Action]:
    """Those of a schedule's recurring runs that nobody will look for, the last used of the rest being REMAINS.

    others: those that are disabled, or about to be, which count but wait: a run that has just begun under one is not
    listed yet. Of two of one name one goes, pruned or not.
    """
    names = {want.name for want in wants if not want.paused}
    actions = []
    remains = 0
    for run in sorted(others, key=lambda run: (run.used_at, *_age(run)), reverse=True):
        if run.name in names:
            why = "there is another of its name"
        elif not prune:
            continue
        elif not wants and run.idle:
            why = "no longer in Git, and nothing has run under it for keep_days"
        elif remains < REMAINS:
            names.add(run.name)
            remains += 1
            continue
        else:
            why = f"{REMAINS} that were in use after it are kept"
        if not run.enabled and not run.busy:
            actions.append(Action("delete", run.schedule, run.name, run.id, why))
    return actions


def _age(run: Existing) -> tuple[datetime, str]:
    return run.created_at, run.id


def _what(want: Wanted) -> str:
    return f"{want.when}, pipeline {want.content['pipeline_version']}"


def _why(run: Existing, wants: list[Wanted]) -> str:
    if not wants:
        return "no longer in Git"
    if wants[0].paused:
        return "paused in Git"
    same = next((want for want in wants if want.name == run.name), None)
    if same is not None:
        return "there are two of it" if run.digest == same.digest else "its description is not Git's"
    return f"replaced by {wants[0].name}"


def differences(old: dict[str, Any], new: dict[str, Any], path: str = "") -> list[str]:
    """`key: old -> new` for each value of `new` that is another in `old`; what the server does not tell (absent) is
    left out.
    """
    lines: list[str] = []
    for key, value in new.items():
        place = f"{path}.{key}" if path else key
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            lines += differences(old[key], value, place)
        elif key in old and old[key] != value:
            lines.append(f"{place}: {old[key]} -> {value}")
        elif key not in old and path:
            lines.append(f"{place}: new, {value}")
    gone = [f"{path}.{key}" for key in old if key not in new] if path else []
    return lines + [f"{place}: gone" for place in gone]
