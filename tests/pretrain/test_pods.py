"""Two pods of a TrainJob that train together over an object store, and what becomes of them when one is killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.common.files import read_json, sha256_tree
from components.common.remote import download, upload
from components.common.storage import open_store
from components.pretrain.settings import PretrainSettings
from tests import tiny
from tests.pretrain.pods import ROOT, Pod
from tests.processes import free_port
from tests.stages import DIGITS

PATIENCE = 120  # seconds


def settings(**changes: object) -> str:
    small = {
        "architecture": "resnet9",
        "width": 4,
        "image_size": 8,
        "epochs": 9,
        "batch_size": 63,
        "min_spread": 0.0,
        "loader": "torch",
        "precision": "float32",
        "augment": DIGITS,
    }
    return PretrainSettings.model_validate({**small, **changes}).model_dump_json()


@contextmanager
def started(folder: Path, port: int, flags: dict[str, str]) -> Iterator[list[Pod]]:
    pods = [Pod(folder, rank, 2, port, flags) for rank in range(2)]
    try:
        yield pods
    finally:
        for pod in pods:
            if pod.process.poll() is None:
                pod.kill()


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def epochs(log: str) -> list[int]:
    return [int(json.loads(line)["epoch"]) for line in log.splitlines() if line.startswith("{")]


def test_pods_that_are_killed_come_back_and_end_in_the_bytes_of_an_undisturbed_run(s3_bucket, tmp_path):
    world = tiny.build(tmp_path / "tiny", store=s3_bucket)
    upload(world.dataset, f"{s3_bucket}/jobs/dataset")
    flags = {"store": s3_bucket, "seed": "0", "threads": "1", "settings": settings()}
    addresses = {
        "dataset": f"{s3_bucket}/jobs/dataset",
        "encoder": f"{s3_bucket}/jobs/encoder",
        "metrics": f"{s3_bucket}/jobs/metrics",
    }
    port = free_port()
    with started(tmp_path, port, {**flags, **addresses}) as pods:
        for victim, epoch in ((1, 2), (0, 5)):
            until(lambda: not any(pod.look() for pod in pods) and max(epochs(pods[0].text()), default=0) >= epoch)  # noqa: B023
            assert list(open_store(s3_bucket).list("checkpoints/pretrain/"))
            pods[victim].kill()
        until(lambda: [pod.look() for pod in pods] == [True, True])

    assert [pod.codes for pod in pods] == [[-9], [-9]]  # the other one's pod went on in place
    seen = epochs(pods[0].text())
    assert seen[-1] == 9
    assert len(seen) <= 9 + 3  # no epoch but the one that was broken was done again
    assert list(open_store(s3_bucket).list("checkpoints/")) == []
    told = download(addresses["encoder"], tmp_path / "encoder")
    assert told["metadata"] == {"architecture": "resnet9"}
    download(addresses["metrics"], tmp_path / "metrics")
    assert read_json(tmp_path / "encoder" / "encoder.json")["processes"] == 2
    assert pods[0].command[3:] == pods[1].command[3:]

    local = {
        "dataset": str(world.dataset),
        "encoder": str(tmp_path / "straight"),
        "metrics": str(tmp_path / "straight-metrics"),
    }
    run({**flags, **local}, 2)
    assert sha256_tree(tmp_path / "encoder") == sha256_tree(tmp_path / "straight")
    assert sha256_tree(tmp_path / "metrics") == sha256_tree(tmp_path / "straight-metrics")

    late = Pod(tmp_path, 1, 2, port, {**flags, **addresses})  # its end was not noted, and the others are gone
    assert late.process.wait(PATIENCE) == 0


def run(flags: dict[str, str], processes: int) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable,
        "-m",
        "components.pretrain",
        *(word for name, value in flags.items() for word in (f"--{name}", value)),
    ]
    environment = {
        **os.environ,
        "GLEANER_PROCESSES": str(processes),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
    }
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=PATIENCE)
