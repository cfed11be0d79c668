"""Run one stage as a process of this machine: kfp's handler of a container component."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kfp.local.status import Status
from kfp.local.task_handler_interface import ITaskHandler

from components.common import memory
from components.common.files import read_json
from components.common.parent import GRACE, PIPE, SCRATCH
from pipelines.local.caching import ROOT
from pipelines.local.progress import read_progress, seconds
from pipelines.local.record import Run, Stage, StageError, peak_memory

LONGEST = 50  # bytes of a temporary folder's name; those of sockets in it have 103 at most (macOS; Linux 107)
TICK = 0.1  # seconds between two looks at a stage's log


class StageProcess(ITaskHandler):
    """The stage's own command, with all it says in logs/<stage>.log; its progress reports move the display."""

    def __init__(
        self,
        run: Run,
        image: str,
        full_command: list[str],
        pipeline_root: str,
        runner: Any,
        env_vars: dict[str, str] | None = None,
    ) -> None:
        executor_input = json.loads(full_command[full_command.index("--executor-input") + 1])
        self.record = run
        self.output = Path(executor_input["outputs"]["outputFile"])
        iteration = re.search(r"-iteration-(\d+)$", self.output.parents[1].name)
        self.name = self.output.parent.name + (f"-{int(iteration[1]) + 1}" if iteration and iteration[1] != "0" else "")
        program, *rest = full_command
        self.command = [sys.executable if program == "python" else program, *rest]
        self.environment = {**os.environ, **environment(run.threads), **(env_vars or {})}

    def run(self) -> Status:
        log = self.record.log(self.name)
        start = time.monotonic()
        greatest = peak_memory()
        self.record.display.started(self.name)
        self.output.parent.mkdir(parents=True, exist_ok=True)  # as Kubeflow's launcher does
        try:
            returncode = self._execute(log)
        except BaseException:
            self.record.display.ended(self.name, "interrupted")
            raise
        took = time.monotonic() - start
        if returncode:
            peak = peak_memory()  # of all stages so far: this one's where it has grown
            self.record.failure = failure(self.name, log, returncode, peak if peak > greatest else 0)
            self.record.display.ended(self.name, f"failed after {seconds(took)}")
            return Status.FAILURE
        artifacts = read_json(self.output)["artifacts"] if self.output.is_file() else {}
        outputs = {
            name: {"uri": entry["artifacts"][0]["uri"], "metadata": entry["artifacts"][0].get("metadata", {})}
            for name, entry in artifacts.items()
        }
        self.record.stages.append(Stage(self.name, took, outputs))
        self.record.display.ended(self.name, f"done in {seconds(took)}")
        return Status.SUCCESS

    def _execute(self, log: Path) -> int:
        """Run the command with temporary files in a folder of its own, gone afterwards; its exit code."""
        short = tempfile.gettempdir() if len(tempfile.gettempdir()) <= LONGEST else "/tmp"  # noqa: S108 - mode 0700 below
        with (
            tempfile.TemporaryDirectory(prefix="gleaner-", dir=short, ignore_cleanup_errors=True) as scratch,
            _lifeline() as pipe,
        ):
            with log.open("ab") as output:
                process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**self.environment, "TMPDIR": scratch, SCRATCH: scratch, PIPE: str(pipe)},
                    pass_fds=(pipe,),
                    start_new_session=True,
                )
            try:
                self._follow(process, log)
            except BaseException:
                _interrupt(process)
                raise
            finally:
                _kill_rest(process)
            return process.returncode

    def _follow(self, process: subprocess.Popen[bytes], log: Path) -> None:
        """Show the stage's reports until it ends."""
        rest = b""
        with log.open("rb") as lines:
            while True:
                ended = process.poll() is not None
                *whole, rest = (rest + lines.read()).split(b"\n")
                reports = [report for line in whole if (report := read_progress(line.decode("utf-8", "replace")))]
                if reports:
                    self.record.display.report(self.name, reports[-1])
                if ended:
                    return
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(TICK)


@contextlib.contextmanager
def _lifeline() -> Iterator[int]:
    """The read end of a pipe whose write end this process alone holds, until the block or the process ends."""
    read, write = os.pipe()
    try:
        yield read
    finally:
        os.close(write)
        os.close(read)


def environment(threads: int) -> dict[str, str]:
    """What a stage's pod would set: threads pinned, sets in one order, this gleaner, nothing of the user's folder."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    pinned = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    # threads that spin while they wait starve each other as soon as the machine is shared
    pinned["OMP_WAIT_POLICY"] = "passive"
    return {"PYTHONHASHSEED": "0", "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", **pinned}


def failure(stage: str, log: Path, returncode: int, peak: int = 0) -> StageError:
    """The stage's own last words as gleaner's: exit code 2 stays 2, a signal or a traceback becomes 1.

    peak: bytes of its largest process, where known.
    """
    text = log.read_bytes()[-(1 << 16) :].decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if last.startswith("error: "):
        return StageError(last, log, 2 if returncode == 2 else 1)
    if returncode < 0:
        number = signal.Signals(-returncode)
        ended = memory.killed(stage, peak) if number == signal.SIGKILL else f"ended by {number.name}"
        return StageError(f"error: {stage}: {ended}", log, 1)
    _, found, trace = text.rpartition("Traceback (most recent call last):\n")
    words = (
        next((line for line in trace.splitlines() if line.strip() and not line.startswith(" ")), last)
        if found
        else last
    )
    return StageError(
        f"error: {stage}: {words.strip()} (exit code {returncode}, a bug: please report it with the log)", log, 1
    )


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Give the stage and all it started the time to end in good order."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(GRACE)


def _kill_rest(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the stage's group: a stage that was killed could not end the processes that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
