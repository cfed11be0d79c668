"""The TrainJob: what the environment of the small pod asks for, a name that its contents give, and the object."""

import json
from dataclasses import dataclass
from typing import Any

from components.common.errors import BadInputError
from components.common.files import sha256_json

VARIABLE = "GLEANER_TRAINJOB"
API = "trainer.kubeflow.org/v1alpha1"
RUNTIME = "gleaner-torch"
NODE = "node"  # the runtime's container
GPU = "nvidia.com/gpu"


@dataclass(frozen=True)
class Spec:
    """GLEANER_TRAINJOB, as pipelines/pods.py writes it."""

    image: str
    nodes: int
    cpu: str  # cores of a node
    memory: str
    gpus: int  # of a node
    queue: str | None  # Kueue's LocalQueue
    priority: str | None  # Kueue's WorkloadPriorityClass

    @property
    def resources(self) -> dict[str, str]:
        return {"cpu": self.cpu, "memory": self.memory} | ({GPU: str(self.gpus)} if self.gpus else {})


def read_spec(text: str) -> Spec:
    try:
        return Spec(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise BadInputError(
            f"{VARIABLE} is not what `gleaner compile` writes: {error}; compile and submit again"
        ) from None


def job_key(stage: str, spec: Spec, flags: dict[str, str], inputs: dict[str, str]) -> str:
    """12 hexadecimal digits, equal for equal work. flags: values of those that are no paths; inputs: digests of those
    that are.
    """
    work = {
        "stage": stage,
        "image": spec.image,
        "flags": flags,
        "inputs": inputs,
        "nodes": spec.nodes,
        "gpus": spec.gpus,
    }
    return sha256_json(work)[:12]


def job_object(name: str, stage: str, spec: Spec, command: list[str], owners: list[dict[str, Any]]) -> dict[str, Any]:
    """The shape that Trainer 2.1 to 2.3 share; what else a node needs is in the runtime. owners: what takes the job
    along when it goes.
    """
    queue = {"kueue.x-k8s.io/queue-name": spec.queue, "kueue.x-k8s.io/priority-class": spec.priority}
    labels = {"app.kubernetes.io/part-of": "gleaner", "app.kubernetes.io/component": stage}
    return {
        "apiVersion": API,
        "kind": "TrainJob",
        "metadata": {
            "name": name,
            "labels": labels | {key: value for key, value in queue.items() if value},
            "ownerReferences": owners,
        },
        "spec": {
            "runtimeRef": {"apiGroup": API.partition("/")[0], "kind": "TrainingRuntime", "name": RUNTIME},
            "trainer": {
                "image": spec.image,
                "command": command,
                "numNodes": spec.nodes,
                "resourcesPerNode": {"requests": spec.resources, "limits": spec.resources},
            },
        },
    }


def condition(job: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """The condition `Complete`, `Failed` or `Suspended`, where it holds."""
    conditions = job.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind and each["status"] == "True"), None)
