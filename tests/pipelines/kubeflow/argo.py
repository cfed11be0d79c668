"""An Argo Workflow as Kubeflow Pipelines 2.17 makes it of our pipeline: only what its status says of pods."""

import base64
import gzip
import json
from typing import Any

MEMORY = "4Gi"


def workflow(*nodes: dict[str, Any], packed: bool = False) -> dict[str, Any]:
    """With nodes that are no pods among them; packed: as Argo keeps a list of nodes that is long."""
    others = [
        {"name": "run-x", "type": "DAG", "phase": "Running"},
        {
            "name": "run-x.root.pack-driver(0)",
            "type": "Pod",
            "phase": "Succeeded",
            "finishedAt": "2026-11-27T10:00:00Z",
        },
        {"name": "run-x.root.evaluate", "type": "DAG", "phase": "Omitted"},
        *({**node, "name": node["name"].rpartition("(")[0], "type": "Retry", "phase": "Running"} for node in nodes),
    ]
    made = {f"run-x-{place}": each for place, each in enumerate([*others, *nodes])}
    if packed:
        return {"status": {"compressedNodes": base64.b64encode(gzip.compress(json.dumps(made).encode())).decode()}}
    return {"metadata": {"name": "run-x"}, "status": {"phase": "Running", "nodes": made}}


def pod(
    task: str, phase: str, message: str = "", attempt: int = 0, finished: str | None = None, memory: str | None = MEMORY
) -> dict[str, Any]:
    """A node of the pod of a task, or of a driver (`pack-driver`)."""
    step = task if task.endswith("-driver") else f"{task}.executor"
    loop = "for-loop-1(0).iteration-iterator(0).iteration(1:1)." if task == "pack" else ""
    patch = {"containers": [{"name": "main", "resources": {"limits": {"cpu": "2", "memory": memory}}}]}
    return {
        "name": f"run-x.root.{loop}{step}({attempt})",
        "type": "Pod",
        "phase": phase,
        "message": message or None,
        "startedAt": "2026-11-27T10:00:00Z",
        "finishedAt": finished,
        "inputs": {"parameters": [{"name": "pod-spec-patch", "value": json.dumps(patch)}] if memory else []},
    }
