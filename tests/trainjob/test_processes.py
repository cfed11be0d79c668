"""The whole way: the small pod of pretrain, the TrainJob that it makes, and the very processes that this names, one of
them killed.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.common.storage import open_store
from tests import tiny
from tests.pretrain.pods import pod_environment
from tests.processes import free_port, kill_all
from tests.trainjob.pod import ROOT, SPEC, start
from tests.trainjob.state import State

SETTINGS = {
    "architecture": "resnet9",
    "width": 4,
    "image_size": 8,
    "epochs": 3,
    "batch_size": 64,
    "min_spread": 0.0,
    "loader": "torch",
    "precision": "float32",
    "augment": {"crop": 0.7, "flip_horizontal": 0},
}


class Kubelet:
    """Runs a job's pods as processes, with what Kubeflow Trainer sets, and starts one again that has failed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        self.killed = False

    def play(self, state: State, job: dict[str, Any]) -> None:
        port = free_port()
        codes: dict[int, int] = {}
        nodes = [threading.Thread(target=self._node, args=(state, job, index, port, codes)) for index in range(2)]
        for each in nodes:
            each.start()
        for each in nodes:
            each.join()
        state.job(job, **({"Failed": "a pod failed"} if any(codes.values()) else {"Complete": "done"}))

    def _node(self, state: State, job: dict[str, Any], index: int, port: int, codes: dict[int, int]) -> None:
        python, *rest = job["spec"]["trainer"]["command"]
        assert python == "python"
        environment = pod_environment(self.folder, index, 2, port)
        for attempt in ("aaaaa", "bbbbb"):
            pod = state.pod(job, index, attempt)
            process = subprocess.Popen(
                [sys.executable, *rest],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self.processes.append(process)
            assert process.stdout is not None
            for line in process.stdout:
                state.say(job, pod, line.rstrip("\n"))
                if index == 0 and not self.killed and '"done": 1' in line and '"epoch' in line:
                    self.killed = True
                    kill_all(process)
            code = process.wait()
            codes[index] = code if code >= 0 else 128 - code
            state.end(job, pod, codes[index])
            if not codes[index]:
                return


@pytest.fixture
def kubelet(tmp_path: Path) -> Iterator[Kubelet]:
    made = Kubelet(tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            kill_all(process)


def test_two_machines_train_and_one_is_lost_on_the_way(state, s3_bucket, tmp_path, kubelet):
    world = tiny.build(tmp_path / "world", store=f"{s3_bucket}/store")
    state.script = kubelet.play
    words = {
        "dataset": str(world.dataset),
        "store": world.store,
        "seed": "0",
        "threads": "1",
        "settings": json.dumps(SETTINGS),
    }
    pod = start(state, tmp_path / "pod", "components.pretrain", words, {**SPEC, "gpus": 0})
    try:
        assert pod.end(180) == 0, pod.err
    finally:
        pod.process.kill()
    assert kubelet.killed
    assert any("takes the place of" in line and "-node-0-0-aaaaa" in line for line in pod.lines)
    assert (pod.folder / "encoder" / "encoder.safetensors").is_file()
    told = json.loads((pod.folder / "executor.json").read_text(encoding="utf-8"))["artifacts"]
    assert told["encoder"]["artifacts"][0]["metadata"]["architecture"] == "resnet9"
    assert json.loads((pod.folder / "metrics").read_text(encoding="utf-8"))["epochs"] == 3
    assert [stat.key for stat in open_store(world.store).list() if stat.key.startswith(("jobs/", "checkpoints/"))] == []
    assert state.objects["trainjobs"] == {}
