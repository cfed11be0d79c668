"""`gleaner schedules plan | apply`: look at the server, say what differs from Git, and make it equal."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kfp_server_api

from components.common.errors import BadInputError
from pipelines.configuration.schedules import Schedules, load_schedules
from pipelines.configuration.version import COMMITTED, LATEST, named, pipeline_of
from pipelines.kubeflow import server as kubeflow
from pipelines.kubeflow.pipeline import Reference, find_experiment, find_version, provide_experiment, provide_version
from pipelines.kubeflow.schedules.plan import (
    DIGEST,
    Action,
    Existing,
    Wanted,
    differences,
    plan,
    prefix,
    to_minute,
    wanted_schedules,
)
from pipelines.kubeflow.server import FINISHED, AbsentError, Kubeflow, TransientError, predicate

DONE = {"create": "created ", "disable": "disabled", "delete": "deleted "}


@dataclass(frozen=True)
class Git:
    """A schedules file, read and found right."""

    file: Schedules
    wanted: dict[str, Wanted]  # by the name of the recurring run


def read_git(path: Path) -> Git:
    file, configs = load_schedules(path)
    return Git(file, wanted_schedules(file, configs, path.parent, datetime.now(UTC)))


def observe(server: Kubeflow, git: Git, prune: bool) -> list[Existing]:
    """Every recurring run whose name begins with our prefix."""
    ours = prefix(git.file.app)
    found = server.pages(
        server.recurring.recurring_run_service_list_recurring_runs,
        "recurring_runs",
        namespace=server.namespace,
        sort_by="created_at",
        filter=predicate("IS_SUBSTRING", "display_name", ours),
    )
    existing = [_existing(run, ours) for run in found if run.display_name.startswith(ours)]
    before = datetime.now(UTC) - timedelta(days=git.file.keep_days)
    return [
        replace(run, removable=prune and not run.enabled and _idle_since(server, run, existing, before))
        for run in existing
    ]


def show_plan(server: Kubeflow, git: Git, prune: bool, say: Callable[[str], None]) -> None:
    """Print what `apply` would do, each replaced schedule with what changes in it. Changes nothing."""
    existing = observe(server, git, prune)
    actions = plan(git.wanted, existing, prune)
    signs = {"create": "+", "disable": "-", "delete": "x"}
    for action in actions:
        say(f"{signs[action.kind]} {action.kind:<8}{action.name}  {action.reason}")
        new = next((want for want in git.wanted.values() if want.schedule == action.schedule), None)
        if action.kind == "disable" and new and not new.paused:
            old = next(run for run in existing if run.id == action.id)
            for line in _changes(server, old, new):
                say(f"    {line}")
    awake = {(want.content["pipeline_version"], want.compiled) for want in git.wanted.values() if not want.paused}
    for version, compiled in sorted(awake):
        if find_version(server, version, pipeline_of(version, compiled)) is None:
            say(f"? pipeline version {version} is not on the server yet; {_arrival(server, git, version)}")
    if not prune:
        _say_left_over(git, existing, say)
    count = {kind: sum(action.kind == kind for action in actions) for kind in signs}
    say(
        f"{count['create']} to create, {count['disable']} to disable, {count['delete']} to delete; "
        f"{len(git.file.schedules)} schedules in Git"
    )


def apply(server: Kubeflow, git: Git, prune: bool, say: Callable[[str], None], wait: float = 0) -> None:
    """Make the server equal to Git, one line for each thing done. `wait`: seconds for a pipeline version to arrive.

    What has no answer is not asked again but looked for: each attempt starts from what the server has. Nothing is
    disabled in the look that finds its replacement missing, only in one that has seen it.
    """
    versions = _provide_versions(server, git, wait, say)
    created: set[str] = set()
    done = dict.fromkeys(DONE, 0)
    failures = 0
    while True:
        actions = plan(git.wanted, observe(server, git, prune), prune)
        creates = [action for action in actions if action.kind == "create"]
        for action in creates:
            if action.name in created:
                raise BadInputError(
                    f"{action.name}: was disabled as soon as it was created; "
                    f"expected one schedules file and one reconciler for app {git.file.app!r}"
                )
        try:
            for action in creates or actions:
                if _execute(server, git, action, versions):
                    done[action.kind] += 1
                    created |= {action.name} if action.kind == "create" else set()
                    say(f"{DONE[action.kind]} {action.name}  {action.reason}")
        except TransientError:
            failures += 1
            if failures > len(kubeflow.PAUSES):
                raise
            time.sleep(kubeflow.PAUSES[failures - 1])
            continue
        if not creates:
            break
    if not prune:
        _say_left_over(git, observe(server, git, prune), say)
    say(
        f"{len(git.file.schedules)} schedules as in Git: "
        + ", ".join(f"{count} {DONE[kind].strip()}" for kind, count in done.items())
    )


def _provide_versions(server: Kubeflow, git: Git, wait: float, say: Callable[[str], None]) -> dict[str, Reference]:
    """The reference of each recurring run. What must be there comes first, so that nothing is uploaded if it is not."""
    awake = {name: want for name, want in git.wanted.items() if not want.paused}
    asked = {(want.pipeline_version, want.compiled) for want in awake.values()}
    found = {
        (word, compiled): provide_version(server, word, say, compiled, wait)
        for word, compiled in sorted(asked, key=lambda each: ("-" not in each[0], each))
    }
    return {name: found[want.pipeline_version, want.compiled] for name, want in awake.items()}


def _execute(server: Kubeflow, git: Git, action: Action, versions: dict[str, Reference]) -> bool:
    """Do it; False where somebody else has."""
    api = server.recurring
    try:
        if action.kind == "create":
            experiment = provide_experiment(server, git.file.experiment)
            server.call(
                api.recurring_run_service_create_recurring_run,
                _recurring_run(git.wanted[action.name], versions[action.name], experiment, server.namespace),
            )
        elif action.kind == "disable":
            server.call(api.recurring_run_service_disable_recurring_run, action.id)
        else:
            server.call(api.recurring_run_service_delete_recurring_run, action.id)
    except AbsentError:
        if action.kind == "create":
            raise
        return False
    return True


def _recurring_run(
    want: Wanted, version: Reference, experiment: str, namespace: str
) -> kfp_server_api.V2beta1RecurringRun:
    return kfp_server_api.V2beta1RecurringRun(
        display_name=want.name,
        description=want.description,
        experiment_id=experiment,
        namespace=namespace or None,
        service_account=want.content["service_account"] or None,
        pipeline_version_reference=kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=version.pipeline_id, pipeline_version_id=version.version_id
        ),
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=want.content["parameters"]),
        trigger=kfp_server_api.V2beta1Trigger(
            cron_schedule=kfp_server_api.V2beta1CronSchedule(
                cron=want.content["cron"],
                start_time=_just_before(want.stretch.start),
                end_time=_just_before(want.stretch.end),
            )
        ),
        max_concurrency=str(want.content["max_concurrency"]),
        mode=kfp_server_api.RecurringRunMode.ENABLE,
        no_catchup=True,  # a week of missed trainings is not worth a week of trainings
    )


def _just_before(moment: datetime | None) -> datetime | None:
    """Kubeflow's `start_time` and `end_time` of a stretch: it begins after the one and ends with the other."""
    return moment - timedelta(seconds=1) if moment else None


def _existing(run: Any, ours: str) -> Existing:
    digest = DIGEST.search(run.description or "")
    reference = run.pipeline_version_reference
    trigger = run.trigger and run.trigger.cron_schedule
    content = {
        "cron": trigger.cron if trigger else None,
        "until": to_minute(trigger.end_time + timedelta(seconds=1)) if trigger and trigger.end_time else None,
        "max_concurrency": int(run.max_concurrency or 1),
        "service_account": run.service_account or "",
        "pipeline": (reference.pipeline_id, reference.pipeline_version_id) if reference else (None, None),
        "experiment": run.experiment_id,
        "parameters": run.runtime_config.parameters or {} if run.runtime_config else {},
    }
    return Existing(
        run.recurring_run_id,
        run.display_name.removeprefix(ours).partition("@")[0],
        run.display_name,
        digest[1] if digest else "",
        run.mode == kfp_server_api.RecurringRunMode.ENABLE,
        run.created_at,
        content,
    )


def _idle_since(server: Kubeflow, run: Existing, existing: list[Existing], before: datetime) -> bool:
    """Whether nothing runs under it and nothing has begun or ended since `before`, its own replacement included.

    The server's `updated_at` is of no use: it is touched every half minute.
    """
    newer = [
        other.created_at for other in existing if other.schedule == run.schedule and other.created_at > run.created_at
    ]
    if max([run.created_at, *sorted(newer)[:1]]) > before:
        return False
    runs = server.pages(
        server.runs.run_service_list_runs,
        "runs",
        namespace=server.namespace,
        sort_by="created_at desc",
        filter=predicate("EQUALS", "recurring_run_id", run.id),
    )
    return all(
        each.state in FINISHED and max(each.created_at, each.finished_at or each.created_at) <= before for each in runs
    )


def _changes(server: Kubeflow, old: Existing, want: Wanted) -> list[str]:
    """What the replacement says otherwise."""
    content = dict(old.content)
    pipeline, version = content.pop("pipeline")
    experiment = content.pop("experiment")
    content["pipeline_version"] = _version_name(server, pipeline, version)
    if experiment != find_experiment(server, want.content["experiment"]):
        content["experiment"] = "another one"
    if not want.content["service_account"]:
        del content["service_account"]  # the server has put its default there
    return differences(content, want.content) or [
        "time_zone or platform_generation: another" if "time_zone" in want.content else "platform_generation: raised"
    ]


def _version_name(server: Kubeflow, pipeline: str | None, version: str | None) -> str:
    if not version:
        return LATEST
    try:
        found = server.read(server.pipelines.pipeline_service_get_pipeline_version, pipeline, version)
    except AbsentError:
        return "one that is gone"
    return str(found.name or found.display_name)


def _arrival(server: Kubeflow, git: Git, version: str) -> str:
    """How a version that is missing gets there, as `provide_version` does it."""
    if server.pipeline_store == "kubernetes":
        return "apply waits for Argo CD to bring it"
    ours = {named(COMMITTED, want.compiled) for want in git.wanted.values()}
    return "apply uploads it" if version in ours or version == LATEST else "apply refuses it"


def _say_left_over(git: Git, existing: list[Existing], say: Callable[[str], None]) -> None:
    for run in existing:
        if run.enabled and run.schedule not in git.file.schedules:
            say(f"kept     {run.name}  no longer in Git; --prune disables it")
