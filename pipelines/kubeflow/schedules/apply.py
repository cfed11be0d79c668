"""`gleaner schedules plan | apply`: look at the server, say what differs from Git, and make it equal."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import kfp_server_api

from components.common.errors import BadInputError
from components.common.kubeflow import LATEST
from components.common.kubeflow import server as kubeflow
from components.common.kubeflow.objects import Reference, find_experiment, find_version, provide_experiment
from components.common.kubeflow.server import AbsentError, Kubeflow, TransientError
from pipelines.configuration.schedules import Schedules, load_schedules
from pipelines.configuration.version import COMMITTED, named, pipeline_of
from pipelines.kubeflow.pipeline import provide_version
from pipelines.kubeflow.schedules.observe import observe
from pipelines.kubeflow.schedules.plan import (
    NOW,
    Action,
    Existing,
    Wanted,
    differences,
    plan,
    wanted_schedules,
)

PHASES = ({"create", "enable"}, {"disable"}, {"delete"})  # the server is looked at before each
SIGNS = {"create": "+", "enable": "+", "disable": "-", "delete": "x"}  # of a plan
DONE = {"create": "created ", "enable": "enabled ", "disable": "disabled", "delete": "deleted "}


@dataclass(frozen=True)
class Git:
    """A schedules file, read and found right."""

    file: Schedules
    wanted: dict[str, Wanted]  # by the name of the recurring run


def read_git(path: Path) -> Git:
    file, configs = load_schedules(path)
    return Git(file, wanted_schedules(file, configs, path.parent, datetime.now(UTC)))


def show_plan(server: Kubeflow, git: Git, prune: bool, say: Callable[[str], None]) -> None:
    """Print what `apply` would do, each replaced schedule with what changes in it. Changes nothing."""
    existing = observe(server, git.file, git.wanted, prune)
    actions = plan(git.wanted, existing, prune)
    for action in actions:
        say(f"{SIGNS[action.kind]} {action.kind:<8}{action.name}  {action.reason}")
        new = next((want for want in git.wanted.values() if want.schedule == action.schedule), None)
        if action.kind == "disable" and new and not new.paused:
            old = next(run for run in existing if run.id == action.id)
            for line in _changes(server, old, new):
                say(f"    {line}")
    awake = {(named(*each), each[1]) for want in git.wanted.values() if not want.paused for each in want.versions}
    for version, compiled in sorted(awake):
        if find_version(server, version, pipeline_of(version, compiled)) is None:
            say(f"? pipeline version {version} is not on the server yet; {_arrival(server, git, version)}")
    if not prune:
        _say_left_over(git, existing, say)
    count = {kind: sum(action.kind == kind for action in actions) for kind in SIGNS}
    say(
        ", ".join(f"{number} to {kind}" for kind, number in count.items())
        + f"; {len(git.file.schedules)} schedules in Git"
    )


@dataclass
class Progress:
    """What one apply has done, for what the server does not remember."""

    started: Counter[str] = field(default_factory=Counter)  # names
    stopped: set[str] = field(default_factory=set)  # ids
    unfit: set[str] = field(default_factory=set)  # ids of those that could not be enabled
    done: Counter[str] = field(default_factory=Counter)  # kinds of actions

    def note(self, action: Action) -> None:
        self.done[action.kind] += 1
        if action.kind in PHASES[0]:
            self.started[action.name] += 1
            self.unfit.discard(action.id)
        elif action.kind == "disable":
            self.stopped.add(action.id)

    def recall(self, run: Existing) -> Existing:
        """What the server says of a recurring run, and this apply knows better."""
        if run.id in self.stopped:
            run = replace(run, used_at=NOW, busy=True)
        return replace(run, missed=True) if run.id in self.unfit else run


def apply(server: Kubeflow, git: Git, prune: bool, say: Callable[[str], None], wait: float = 0) -> None:
    """Make the server equal to Git, one line for each thing done. `wait`: seconds for a pipeline version to arrive.

    What has no answer is not asked again but looked for: each attempt starts from what the server has. Nothing is
    disabled in the look that finds its replacement missing, only in one that has seen it.
    """
    versions = _provide_versions(server, git, wait, say)
    progress = Progress()
    failures = 0
    while True:
        existing = [progress.recall(run) for run in observe(server, git.file, git.wanted, prune)]
        actions = _next_phase(plan(git.wanted, existing, prune), progress, git.file.app)
        try:
            for action in actions:
                if _execute(server, git, action, versions, progress):
                    say(f"{DONE[action.kind]} {action.name}  {action.reason}")
        except TransientError:
            failures += 1
            if failures > len(kubeflow.PAUSES):
                raise
            time.sleep(kubeflow.PAUSES[failures - 1])
            continue
        if not actions or actions[0].kind == "delete":
            break
    if not prune:
        _say_left_over(git, observe(server, git.file, git.wanted, prune), say)
    say(
        f"{len(git.file.schedules)} schedules as in Git: "
        + ", ".join(f"{progress.done[kind]} {word.strip()}" for kind, word in DONE.items())
    )


def _next_phase(actions: list[Action], progress: Progress, app: str) -> list[Action]:
    """The actions of the first phase that has any, nothing twice; BadInputError where somebody undoes what is done."""
    left = [action for action in actions if action.kind != "disable" or action.id not in progress.stopped]
    for kinds in PHASES:
        phase = [action for action in left if action.kind in kinds]
        for action in phase if "create" in kinds else ():
            if progress.started[action.name] > 1:  # once is a race of two reconcilers, one of which saw a missed start
                raise BadInputError(
                    f"{action.name}: was disabled as soon as it was enabled; "
                    f"expected one schedules file and one reconciler for app {app!r}"
                )
        if phase:
            return phase
    return []


def _provide_versions(server: Kubeflow, git: Git, wait: float, say: Callable[[str], None]) -> dict[str, Reference]:
    """The reference of each recurring run. What must be there comes first, so that nothing is uploaded if it is not.

    What a watch may start is provided too: its pod has no compiled pipelines to upload.
    """
    awake = {name: want for name, want in git.wanted.items() if not want.paused}
    asked = {each for want in awake.values() for each in want.versions}
    found = {
        (word, compiled): provide_version(server, word, say, compiled, wait)
        for word, compiled in sorted(asked, key=lambda each: ("-" not in each[0], each))
    }
    return {name: found[want.versions[0]] for name, want in awake.items()}


def _execute(server: Kubeflow, git: Git, action: Action, versions: dict[str, Reference], progress: Progress) -> bool:
    """Do it; False where somebody else has."""
    api = server.recurring
    if action.kind == "enable":
        progress.unfit.add(action.id)  # unless the server says that it is: its object may be gone from Kubernetes
    try:
        if action.kind == "create":
            experiment = provide_experiment(server, git.file.experiment)
            server.call(
                api.recurring_run_service_create_recurring_run,
                _recurring_run(git.wanted[action.name], versions[action.name], experiment, server.namespace),
            )
        else:
            change = {
                "enable": api.recurring_run_service_enable_recurring_run,
                "disable": api.recurring_run_service_disable_recurring_run,
                "delete": api.recurring_run_service_delete_recurring_run,
            }[action.kind]
            server.call(change, action.id)
    except AbsentError:
        if action.kind == "create":
            raise
        return False
    progress.note(action)
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
    ours = {named(COMMITTED, compiled) for want in git.wanted.values() for _, compiled in want.versions}
    return "apply uploads it" if version in ours or version == LATEST else "apply refuses it"


def _say_left_over(git: Git, existing: list[Existing], say: Callable[[str], None]) -> None:
    for run in existing:
        if run.enabled and run.schedule not in git.file.schedules:
            say(f"kept     {run.name}  no longer in Git; --prune disables it")
