"""Why a job failed, in one line: the pod that failed first, and the last error of its log."""

import re
from typing import Any

from components.common.errors import BadInputError, FailedError
from components.common.trainjob.cluster import BrokenError, Cluster, GoneError
from components.common.trainjob.spec import NODE, condition

INDEX = "batch.kubernetes.io/job-completion-index"
TAIL = 200  # lines of a log that are searched; torchrun's own report fills thirty
KILLED = "OOMKilled"  # Kubernetes' reason; the log says a signal at most
USER = 2  # exit code of a stage for bad input
ERROR = re.compile(r"^(?:\[rank\d+\]:\s*)?((?:error: |(?:\w+\.)*\w*(?:Error|Exception|Interrupt)\b).*)")
TORCHRUN = "ChildFailedError"  # its own, after those of what it ran
SIGNALLED = (137, 143)  # a pod that was ended because another had failed


def failed(cluster: Cluster, stage: str, job: dict[str, Any], pods: dict[str, dict[str, Any]]) -> Exception:
    """What to raise: BadInputError where the user's input was to blame."""
    name = job["metadata"]["name"]
    first = first_failed(list(pods.values()))
    if first is None:
        ended = condition(job, "Failed") or {}
        return FailedError(
            f"TrainJob {name} failed: {ended.get('message') or ended.get('reason') or 'no reason is given'}"
        )
    pod = first["metadata"]["name"]
    ended = terminated(first)
    of = job["spec"]["trainer"]["numNodes"]
    why = _out_of_memory(stage, job) if ended.get("reason") == KILLED else _why(stage, ended, _tail(cluster, pod))
    message = f"TrainJob {name} failed: pod {pod} (first of {of}) exited with {ended['exitCode']}: {why}"
    return (BadInputError if ended["exitCode"] == USER else FailedError)(message)


def first_failed(pods: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Of the last pod of each node, the one that failed first by itself; where seconds are equal, bad input goes before
    signals.
    """
    last: dict[str, dict[str, Any]] = {}
    for pod in sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"]):
        last[pod["metadata"].get("labels", {}).get(INDEX, "0")] = pod
    ended = [pod for pod in last.values() if terminated(pod).get("exitCode")]

    def order(pod: dict[str, Any]) -> tuple[str, bool, bool]:
        state = terminated(pod)
        return state.get("finishedAt") or "", state["exitCode"] in SIGNALLED, state["exitCode"] != USER

    return min(ended, key=order, default=None)


def last_error(lines: list[str]) -> str:
    """The last line that says what went wrong: a stage's own, else a traceback's; else the last line of all."""
    found = [match.group(1) for line in lines if (match := ERROR.match(line)) and TORCHRUN not in line]
    own = [line for line in found if line.startswith("error: ")]
    return (own or found or [line.strip() for line in lines if line.strip()] or [""])[-1]


def _why(stage: str, ended: dict[str, Any], log: list[str]) -> str:
    said = last_error(log).removeprefix(f"error: {stage}: ")
    return said or ended.get("message") or ended.get("reason") or "its log says nothing"


def _out_of_memory(stage: str, job: dict[str, Any]) -> str:
    memory = job["spec"]["trainer"]["resourcesPerNode"]["limits"]["memory"]
    return (
        f"killed for want of memory: its limit is {memory} (resources.{stage}.memory in the configuration); "
        f"lower {stage}.batch_size or raise it"
    )


def terminated(pod: dict[str, Any]) -> dict[str, Any]:
    """How the node's container ended (exitCode, finishedAt, reason, message); empty where it has not."""
    states = pod.get("status", {}).get("containerStatuses", [])
    return next(
        (
            each["state"]["terminated"]
            for each in states
            if each["name"] == NODE and "terminated" in each.get("state", {})
        ),
        {},
    )


def _tail(cluster: Cluster, pod: str) -> list[str]:
    query = {"container": NODE, "tailLines": str(TAIL)}
    try:
        return cluster.patiently(
            lambda: [line.decode(errors="replace") for line in cluster.lines(f"{cluster.pods}/{pod}/log", query, 60)]
        )
    except (GoneError, BrokenError, BadInputError, FailedError):
        return []
