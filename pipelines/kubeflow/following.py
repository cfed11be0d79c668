"""`gleaner submit --wait`: follow a run stage by stage, and say how it ended."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from components.common.kubeflow.server import FINISHED, Kubeflow, TransientError
from components.common.memory import LEVERS
from pipelines.configuration.config import RunConfig
from pipelines.configuration.resources import TASKS
from pipelines.kubeflow.waiting import Waiting, kubectl
from pipelines.kubeflow.workflow import OURS, Pod, first_failure, of_component, read_pods
from pipelines.local.progress import seconds

POLL = 5.0  # seconds between looks at a run
PATIENCE = 600.0  # seconds that a server may be away while its run is followed


def follow(server: Kubeflow, run_id: str, say: Callable[[str], None]) -> Any:
    """Wait for the end of a run, a line for each task that begins or ends, or whose pod does not begin; returns the run
    as it ended.
    """
    told: dict[str, str] = {}
    away = 0.0
    waiting = Waiting(server, run_id, say)
    while True:
        try:
            run = server.call(server.runs.run_service_get_run, run_id)
            away = 0.0
        except TransientError as error:
            away += POLL
            if away > PATIENCE:
                raise
            if told.get("") != str(error):
                say(f"{error}; the run goes on, looking again")
            told[""] = str(error)
            time.sleep(POLL)
            continue
        for task, line in _lines(run).items():
            if told.get(task) != line:
                say(f"{task}: {line}")
            told[task] = line
        if run.state in FINISHED:
            return run
        waiting.look()
        time.sleep(POLL)


def verdict(server: Kubeflow, run: Any) -> str:
    """How a run ended, in one line, with what failed first, and why or how to see it."""
    took = _duration(run.created_at, run.finished_at)
    if run.state == "SUCCEEDED":
        return f"run {run.display_name}: succeeded ({took})"
    reason = _failure(server, run) or _error(run) or ""
    return f"run {run.display_name}: {run.state.lower()} ({took}){': ' if reason else ''}{reason}"


def awaited(config: RunConfig) -> str:
    """What a run that succeeded waits for, where people label and its configuration names no answers; else empty."""
    where = f"{config.store.rstrip('/')}/candidates/{config.name}/"
    if config.sample.label_access == "store":
        return f"what to label next is under {where}, and on the page that `gleaner label` opens; then run again"
    if config.sample.label_access != "file" or config.sample.labels_file:
        return ""
    return (
        f"waiting for labels: the images to label are under {where}, in the folder that the contact sheet of `sample` "
        "names; name the answers as sample.labels_file and run again"
    )


def looked(config: RunConfig) -> str:
    """Where a look that was published is, after a run of the watch."""
    return (
        f"looks that were published are under {config.store.rstrip('/')}/monitor/{config.name}/looks/, "
        "each with a page drift.html"
    )


def _failure(server: Kubeflow, run: Any) -> str:
    """What failed first, and why; empty where nothing did."""
    failed = sorted(
        (task for task in _tasks(run) if task.state == "FAILED"), key=lambda task: task.end_time or task.create_time
    )
    told = next((f"{task.display_name}: {_error(task)}" for task in failed[:1] if _error(task)), "")
    if told:
        return told
    # of a run that somebody ended, pods say no more than that
    pods = read_pods(server, run.run_id) if run.state == "FAILED" else []
    pod = first_failure(pods or [])
    if pod and pod.out_of_memory and pod.task in TASKS:
        return f"{pod.task}: {_killed(pod)}"
    if pod:
        return f"{pod.task}: {pod.reason}{'; ' if pod.reason else ''}{_log(server, run, pod.labels)}"
    if not failed:
        return ""
    name = failed[0].display_name
    kill = f"; {_kill(server, run)}" if pods is None else ""
    return f"{name}: {_log(server, run, of_component(name))}{kill}"


def _killed(pod: Pod) -> str:
    """What a stage that ran out of memory can do about it."""
    limit = f"its limit is {pod.memory} (resources.{pod.task}.memory in the configuration)"
    known = limit if pod.memory else f"see resources.{pod.task}.memory in the configuration"
    lower = f"lower {LEVERS[pod.task]}, or " if pod.task in LEVERS else ""
    return f"killed for want of memory: {known}; {lower}raise it"


def _log(server: Kubeflow, run: Any, labels: str) -> str:
    """The command that shows the end of a failed task's log. labels: what selects its pods, beside the run."""
    return f"see {kubectl(server)} logs -c main --tail=5 -l pipeline/runid={run.run_id}{labels}"


def _kill(server: Kubeflow, run: Any) -> str:
    """The command that shows a death by memory, of which a log says `signal: killed` at most."""
    command = f"{kubectl(server)} get workflows -l pipeline/runid={run.run_id}"
    return f"OOMKilled, if memory was wanting: {command} -o jsonpath='{{.items[*].status.nodes.*.message}}'"


def _tasks(run: Any) -> list[Any]:
    """Those of the DAG, in the order they began; drivers, executors and the root are none."""
    tasks = (run.run_details and run.run_details.task_details) or []
    return sorted(
        (task for task in tasks if task.display_name in OURS), key=lambda task: task.start_time or task.create_time
    )


def _lines(run: Any) -> dict[str, str]:
    """A line for each task that has begun; the packing pods, which are as many as there are workers, share one."""
    named: dict[str, list[Any]] = {}
    for task in _tasks(run):
        named.setdefault(task.display_name, []).append(task)
    return {name: _line(tasks) for name, tasks in named.items()}


def _line(tasks: list[Any]) -> str:
    """How tasks of one name are, the first to begin first: over when all are, and as the worst of them."""
    active = [task for task in tasks if task.state not in FINISHED]
    if active:
        return str(active[0].state).lower()
    worst = max(tasks, key=lambda task: FINISHED.index(task.state))
    ends = [task.end_time for task in tasks]
    return f"{worst.state.lower()} ({_duration(tasks[0].start_time, max(ends) if all(ends) else None)})"


def _error(thing: Any) -> str | None:
    return " ".join(thing.error.message.split()) if thing.error and thing.error.message else None


def _duration(start: datetime | None, end: datetime | None) -> str:
    return seconds(max(0.0, (end - start).total_seconds())) if start and end else "?"
