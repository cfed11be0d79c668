"""Pods of a TrainJob as processes of this machine: node_command with the environment of Kubeflow Trainer, and a
kubelet.
"""

import os
import subprocess
import sys
from pathlib import Path

from components.common.learning.distributed import node_command
from tests.processes import kill_all

ROOT = Path(__file__).parents[2]
RESTARTS = 3  # of one pod, as the runtime's backoffLimit


def pod_environment(folder: Path, rank: int, nodes: int, port: int) -> dict[str, str]:
    """What Kubeflow Trainer's torch plugin sets, one thread, and a cache of the pod's own."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "PET_NNODES": str(nodes),
        "PET_NPROC_PER_NODE": "1",
        "PET_NODE_RANK": str(rank),
        "PET_MASTER_ADDR": "127.0.0.1",
        "PET_MASTER_PORT": str(port),
        "XDG_CACHE_HOME": str(folder / f"cache-{rank}"),
    }


class Pod:
    """One pod, started again by `look` where it has failed."""

    def __init__(self, folder: Path, rank: int, nodes: int, port: int, flags: dict[str, str]) -> None:
        python, *rest = node_command("pretrain", flags)
        assert python == "python"
        self.command = [sys.executable, *rest]
        self.environment = pod_environment(folder, rank, nodes, port)
        self.log = folder / f"pod-{rank}.log"
        self.codes: list[int] = []  # of the runs that have ended
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, cwd=ROOT, env=self.environment, start_new_session=True
            )

    def look(self) -> bool:
        """Whether the pod has succeeded; a failed one is started again."""
        code = self.process.poll()
        if code:
            self.codes.append(code)
            assert len(self.codes) <= RESTARTS, self.text()
            self.start()
        return code == 0

    def kill(self) -> None:
        """As when its machine is taken away: everything in it at once."""
        kill_all(self.process)

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")
