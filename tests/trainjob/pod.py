"""The small pod: `python -m tests.trainjob`, with the environment and flags that Kubeflow gives it, really run."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from components.common.remote import download, upload
from tests.trainjob.server import TOKEN
from tests.trainjob.state import State

ROOT = Path(__file__).parents[2]
POD = "digits-x7k2p-system-container-impl-1"
WORKFLOW = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "name": "digits-x7k2p",
    "uid": "workflow-uid",
    "controller": True,
    "blockOwnerDeletion": True,
}
SPEC = {
    "image": "ghcr.io/gleaner-ml/gleaner-train:0.1.0",
    "nodes": 2,
    "cpu": "8",
    "memory": "32Gi",
    "gpus": 4,
    "queue": "gpu",
    "priority": "gleaner-batch",
}


@dataclass
class Launched:
    """A launcher's process and what it said."""

    process: "subprocess.Popen[str]"
    folder: Path
    out: str = ""
    err: str = ""
    lines: list[str] = field(default_factory=list)

    def end(self, seconds: float = 60) -> int:
        self.out, self.err = self.process.communicate(timeout=seconds)
        self.lines = self.err.splitlines()
        assert TOKEN not in self.out + self.err
        assert os.environ.get("AWS_SECRET_ACCESS_KEY", "no secret") not in self.out + self.err
        return self.process.returncode


def own_pod(state: State, name: str = POD, run: str = "digits-x7k2p", uid: str = "workflow-uid") -> None:
    """The launcher's pod, owned by the run's workflow."""
    workflow = {**WORKFLOW, "name": run, "uid": uid}
    metadata = {"name": name, "uid": f"of-{name}", "labels": {}, "ownerReferences": [workflow]}
    state.put("pods", {"metadata": metadata, "status": {"phase": "Running"}}, "ADDED")


def launch(state: State, folder: Path, store: str, spec: dict[str, Any] | None = None, **environment: str) -> Launched:
    """Start the launcher instead of a stage that never runs; its inputs and outputs are in the folder."""
    (folder / "dataset").mkdir(parents=True, exist_ok=True)
    (folder / "dataset" / "dataset.json").write_text('{"id": "d"}', encoding="utf-8")
    words = {"dataset": str(folder / "dataset"), "store": store, "seed": "7", "settings": '{"epochs": 2}'}
    return start(state, folder, "tests.trainjob", words, spec or SPEC, **environment)


def start(
    state: State, folder: Path, module: str, words: dict[str, str], spec: dict[str, Any], **environment: str
) -> Launched:
    """Start `python -m module` as the small pod of a TrainJob; it writes `encoder` and `metrics` into the folder."""
    cluster = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": state.url}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kubeconfig").write_text(yaml.safe_dump(cluster), encoding="utf-8")
    outputs = {name: str(folder / name) for name in ("encoder", "metrics")}
    artifacts = {name: {"artifacts": [{"uri": uri}]} for name, uri in outputs.items()}
    executor = {"outputs": {"artifacts": artifacts, "outputFile": str(folder / "executor.json")}}
    pairs = {"executor-input": json.dumps(executor), **words, **outputs}
    command = [sys.executable, "-m", module, *(word for name, value in pairs.items() for word in (f"--{name}", value))]
    outside = {name: value for name, value in os.environ.items() if name != "KUBERNETES_SERVICE_HOST"}
    given = {
        **outside,
        "KUBECONFIG": str(folder / "kubeconfig"),
        "POD_NAME": POD,
        "POD_NAMESPACE": "team",
        "GLEANER_TRAINJOB": json.dumps(spec),
        **environment,
    }
    process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return Launched(process, folder)


def flags(job: dict[str, Any]) -> dict[str, str]:
    """The flags of a job's command."""
    words = job["spec"]["trainer"]["command"]
    return {word.removeprefix("--"): words[number + 1] for number, word in enumerate(words) if word.startswith("--")}


def write_outputs(job: dict[str, Any], folder: Path, accuracy: float = 0.9) -> None:
    """What the stage does in the pod of node 0: read the inputs, write the outputs."""
    given = flags(job)
    download(given["dataset"], folder / "dataset")
    assert (folder / "dataset" / "dataset.json").read_text(encoding="utf-8") == '{"id": "d"}'
    (folder / "encoder").mkdir(parents=True, exist_ok=True)
    (folder / "encoder" / "encoder.json").write_text("{}", encoding="utf-8")
    (folder / "metrics").write_text(json.dumps({"knn_accuracy": accuracy}), encoding="utf-8")
    for name in ("encoder", "metrics"):
        upload(
            folder / name,
            given[name],
            {"metadata": {"knn_accuracy": accuracy} if name == "metrics" else {"architecture": "resnet18"}},
        )
