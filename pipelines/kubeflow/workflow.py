"""Read what Argo knows of the pods of a run: why one waits, why it ended, and that it was started again.

Kubeflow's API names the tasks of a run, and of a task neither reason nor pod (kubeflow/pipelines#14007). Its first API,
which 2.17 still serves, hands out the run's Argo Workflow as the server last saw it; whoever may see the run may see
that, so no right in Kubernetes and no kubeconfig is needed.
"""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.common.errors import BadInputError
from components.common.kubeflow.server import Kubeflow
from pipelines.configuration.monitoring import MonitorResources
from pipelines.configuration.resources import TASKS

TIMEOUT = (2, 5)  # seconds to connect, and to answer: a reason is worth no long wait
OURS = (*TASKS, *MonitorResources.model_fields)
"""Tasks of the pipelines that `gleaner submit` starts; drivers of Kubeflow's are none."""
FAILED = ("Failed", "Error")
PLACE = re.compile(r"\([^()]*\)")  # of an iteration or an attempt, behind a node's name
ATTEMPT = re.compile(r"\((\d+)\)$")
NO_REASON = re.compile(r"(\w+: )?Error \(exit code \d+\)")


@dataclass(frozen=True)
class Pod:
    """A pod of a run, or one that is to be made. task: of the pipeline, or a driver of Kubeflow's, such as pack-driver.

    node: where it stands in the workflow, the same for each attempt; attempt: from 0. finished: as text that sorts by
    time. memory: its limit, empty where it is not told.
    """

    task: str
    node: str
    attempt: int
    phase: str
    message: str
    finished: str
    memory: str

    @property
    def labels(self) -> str:
        """What selects it, beside the run."""
        return of_component(self.task) if self.task in OURS else ""

    @property
    def out_of_memory(self) -> bool:
        return self.phase in FAILED and "OOMKilled" in self.message

    @property
    def reason(self) -> str:
        """Why it waits or ended, in one line; empty where there is no more to say than an exit code."""
        message = " ".join(self.message.split())
        if message.startswith("Unschedulable: "):
            message = message.removeprefix("Unschedulable: ").partition(". ")[0].rstrip(".")  # then what would not help
        return "" if NO_REASON.fullmatch(message) else message[:300]


def read_pods(server: Kubeflow, run_id: str) -> list[Pod] | None:
    """The pods of a run; None where the server does not tell."""
    try:
        run = server.call(server.get, f"/apis/v1beta1/runs/{run_id}", timeout=TIMEOUT)
        return list(_pods(json.loads(run["pipeline_runtime"]["workflow_manifest"])["status"]))
    except BadInputError:
        return None
    except (AttributeError, EOFError, KeyError, OSError, TypeError, ValueError):  # it answers in another way
        return None


def of_component(task: str) -> str:
    """The label that the pods of a task have (pipelines/compiling/pods.py), for a selector."""
    return f",app.kubernetes.io/component={task}"


def first_failure(pods: list[Pod]) -> Pod | None:
    """The pod that failed first and was not started again."""
    last = [pod for pod in pods if pod.phase in FAILED and not _again(pod, pods)]
    return min(last, key=lambda pod: pod.finished, default=None)


def restarted(pods: list[Pod]) -> Iterator[Pod]:
    """Pods in whose place another was started."""
    return (pod for pod in pods if pod.phase in FAILED and _again(pod, pods))


def _again(pod: Pod, pods: list[Pod]) -> bool:
    return any(other.node == pod.node and other.attempt > pod.attempt for other in pods)


def _pods(status: dict[str, Any]) -> Iterator[Pod]:
    """Those of a workflow's nodes that are pods; a long list of nodes travels compressed."""
    packed = status.get("compressedNodes")
    nodes = json.loads(gzip.decompress(base64.b64decode(packed))) if packed else status.get("nodes") or {}
    for node in nodes.values():
        if node.get("type") != "Pod":
            continue
        name = node["name"]
        # …root.pretrain-driver(0), …root.pretrain.executor(0), …for-loop-1(…).iteration(0:0).pack.executor(0)
        steps = PLACE.sub("", name).split(".")
        attempt = ATTEMPT.search(name)
        yield Pod(
            task=steps[-2] if steps[-1] == "executor" else steps[-1],
            node=ATTEMPT.sub("", name),
            attempt=int(attempt[1]) if attempt else 0,
            phase=node.get("phase") or "",
            message=node.get("message") or "",
            finished=node.get("finishedAt") or "",
            memory=_memory(node),
        )


def _memory(node: dict[str, Any]) -> str:
    """The limit of the stage's container, in the patch by which Kubeflow's driver makes the pod what was compiled."""
    parameters = (node.get("inputs") or {}).get("parameters") or []
    for parameter in parameters:
        if parameter["name"] == "pod-spec-patch" and parameter.get("value"):
            for container in json.loads(parameter["value"]).get("containers") or []:
                limits = (container.get("resources") or {}).get("limits") or {}
                if "memory" in limits:
                    return str(limits["memory"])
    return ""
