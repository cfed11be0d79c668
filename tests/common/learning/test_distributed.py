"""Processes of one machine: started by the stage itself, one line for all of them, and no end that hangs."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from components.common.learning.distributed import node_command, processes_here
from components.common.storage import FolderStore
from tests import tiny
from tests.pretrain.test_pods import PATIENCE, ROOT, run, settings
from tests.processes import children, gone

# A timer of torch's rendezvous may be collected on its own thread, and then says that it cannot wait for itself.
TORCHS_OWN = re.compile(r"Exception ignored in: <finalize object.*?cannot join current thread\n", re.DOTALL)


def flags(world: tiny.World, folder: Path, **changes: object) -> dict[str, str]:
    """Those of a pretraining with a store of its own under `folder`."""
    for stat in FolderStore(Path(world.store)).list("datasets/"):
        FolderStore(folder / "store").upload(stat.key, Path(world.store) / stat.key)
    return {
        "dataset": str(world.dataset),
        "store": str(folder / "store"),
        "seed": "0",
        "threads": "1",
        "settings": settings(**changes),
        "encoder": str(folder / "encoder"),
        "metrics": str(folder / "metrics"),
    }


def together() -> dict[str, str]:
    return {**os.environ, "GLEANER_PROCESSES": "2", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


@contextmanager
def running(words: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Two processes at work: the first epoch is over."""
    command = [sys.executable, *node_command("pretrain", words)[1:]]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=together()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith('{"progress"')
        try:
            yield process
        finally:
            process.kill()


def test_the_command_of_a_pod_is_the_stages_own():
    command = node_command("pretrain", {"dataset": "s3://b/d", "source_version": "1"})
    assert command == ["python", "-m", "components.pretrain", "--dataset", "s3://b/d", "--source-version", "1"]


@pytest.mark.parametrize("given", ["0", "-1", "two", "65", "1.5"])
def test_a_number_of_processes_that_cannot_be_is_one_line(monkeypatch, given):
    monkeypatch.setenv("GLEANER_PROCESSES", given)
    with pytest.raises(BadInputError, match=f"GLEANER_PROCESSES={given}: expected a number from 1 to 64"):
        processes_here()


def test_without_gpus_there_is_one_process(monkeypatch):
    monkeypatch.delenv("GLEANER_PROCESSES", raising=False)
    assert processes_here() == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            {"batch_size": 2},
            2,
            "error: pretrain: pretrain.batch_size: 2 images for 3 processes; expected one for each at least",
        ),
        ({"min_spread": 0.999}, 2, "error: pretrain: the embeddings collapsed in epoch 1"),
    ],
)
def test_bad_input_that_all_processes_see_is_one_line(tiny_world, tmp_path, words, code, said):
    ended = run(flags(tiny_world, tmp_path, **words), 3 if "batch_size" in words else 2)
    assert ended.returncode == code
    assert ended.stderr.startswith(said)
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "encoder").exists()


def test_a_bug_is_one_traceback(tiny_world, tmp_path):
    words = flags(tiny_world, tmp_path)
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "dataset.json").write_bytes((tiny_world.dataset / "dataset.json").read_bytes())
    (tmp_path / "dataset" / "index.parquet").write_bytes(b"PAR1 no table PAR1")
    ended = run({**words, "dataset": str(tmp_path / "dataset")}, 2)
    assert ended.returncode == 1
    assert ended.stderr.count("Traceback (most recent call last)") == 1
    assert ended.stderr.splitlines()[-1].startswith("pyarrow.lib.ArrowInvalid: ")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_all(tiny_world, tmp_path, name):
    with running(flags(tiny_world, tmp_path, epochs=500)) as process:
        inside = children(process.pid)
        assert len(inside) == 2
        process.send_signal(signal.Signals[name])
        assert process.wait(PATIENCE) == 128 + signal.Signals[name]
        assert gone(inside)
        assert process.stderr is not None
        assert TORCHS_OWN.sub("", process.stderr.read()) == ""


def test_the_end_of_the_launcher_is_the_end_of_all(tiny_world, tmp_path):
    with running(flags(tiny_world, tmp_path, epochs=500)) as process:
        inside = children(process.pid)
        process.kill()
        assert gone(inside)


def test_a_launcher_that_ends_before_its_processes_have_begun_takes_them_along(tiny_world, tmp_path):
    words = flags(tiny_world, tmp_path, epochs=500)
    command = [sys.executable, *node_command("pretrain", words)[1:]]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT, env=together()) as process:
        end = time.monotonic() + 60
        while len(inside := children(process.pid)) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        process.kill()  # while they still import what they need
        assert len(inside) == 2
        assert gone(inside, PATIENCE)


def test_a_killed_process_ends_all_with_one_line_and_the_next_start_goes_on(tiny_world, tmp_path):
    broken = flags(tiny_world, tmp_path, epochs=8)
    with running(broken) as process:
        os.kill(children(process.pid)[1], signal.SIGKILL)
        assert process.wait(PATIENCE) == 1
        assert process.stderr is not None
        said = process.stderr.read()
        assert said.startswith("error: pretrain: one of its processes was ended by SIGKILL, most likely for memory")
        assert "; lower pretrain.batch_size or pretrain.image_size" in said
        assert said.count("\n") == 1
    resumed = run(broken, 2)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert len(resumed.stdout.splitlines()) < 8
    assert (tmp_path / "encoder" / "encoder.safetensors").is_file()
