"""What a controller, and the pods that it starts, do with a job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.trainjob.pod import write_outputs
from tests.trainjob.state import State

PROGRESS = '{"progress": "epochs", "done": 1, "total": 2}'
Script = Callable[[State, dict[str, Any]], None]


def trains(folder: Path, suffix: str = "aaaaa") -> Script:
    """Two pods that do their work."""

    def script(state: State, job: dict[str, Any]) -> None:
        pods = [state.pod(job, index, suffix) for index in range(2)]
        state.say(job, pods[0], "starting", PROGRESS)
        state.say(job, pods[1], "not node 0")
        write_outputs(job, folder)
        state.say(job, pods[0], "done")
        for pod in pods:
            state.end(job, pod, 0)
        state.job(job, Complete="all jobs are complete")

    return script


def fails(codes: dict[int, int], logs: dict[int, list[str]], times: dict[int, str], reason: str = "Error") -> Script:
    """Two pods that fail with these exit codes after these lines, at these times, for this reason."""

    def script(state: State, job: dict[str, Any]) -> None:
        pods = {index: state.pod(job, index, "aaaaa") for index in range(2)}
        for index, pod in pods.items():
            state.say(job, pod, *logs[index])
        for index, pod in pods.items():
            state.end(job, pod, codes[index], times[index], reason)
        state.job(job, Failed="jobset failed due to one or more job failures")

    return script
