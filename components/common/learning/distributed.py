"""Start, connect, restart and end the processes of one training (torchrun).

    python -m components.pretrain …       one process: it trains
                                          several GPUs, or a pod of a TrainJob: it becomes torch's launcher (torchrun)
                                          of one process for each GPU, and says in one line how these ended

A pod of a TrainJob knows of the others by what Kubeflow Trainer's torch plugin sets: PET_NNODES, PET_NODE_RANK,
PET_MASTER_ADDR, PET_MASTER_PORT (https://github.com/kubeflow/trainer, pkg/runtime/framework/plugins/torch/torch.go).
Its PET_NPROC_PER_NODE is not read: without GPUs that is a number of cores, which a single process uses by its threads.

Where a pod is killed, its Job starts it again. The processes of the others notice at their next sum, and their pods
begin anew in place, from the last checkpoint: only the pod that failed counts against the Job's backoffLimit.
"""

import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from components.common import memory
from components.common.errors import BadInputError, last_words

PROCESSES = "GLEANER_PROCESSES"  # processes of this machine, where it is not to be one for each GPU
LAUNCHER = "GLEANER_LAUNCHER"  # process id of the agent that started this process
ATTEMPT = "GLEANER_ATTEMPT"  # how often this pod has begun anew because another one was lost
ATTEMPTS = 20
MEET = 900  # seconds that a pod waits for the others: a new node, an image
# for a peer that is alive and silent: it measures, or waits for a shard; the end of one is noticed at once
ANSWER = timedelta(minutes=20)
LOST = 75  # exit code of a process whose peer is gone (EX_TEMPFAIL of sysexits.h); seen by the launcher alone
PAUSE = 1.0  # seconds before a new attempt, and between two looks at the parent


class LostPeerError(Exception):
    """Another process of the training has ended; its own log says why."""


def node_command(stage: str, flags: dict[str, str]) -> list[str]:
    """The command of a TrainJob's pods. It starts torchrun itself: torchrun's own exit code is 1 whatever happened."""
    return [
        "python",
        "-m",
        f"components.{stage}",
        *(word for name, value in flags.items() for word in (flag(name), value)),
    ]


def launch(stage: str, argv: list[str]) -> None:
    """Return where this process is to train; else start those that do, and leave by SystemExit with their exit code."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return
    nodes = int(os.environ.get("PET_NNODES") or 1)
    here = processes_here()
    if nodes * here > 1:
        raise SystemExit(_run(stage, argv, nodes, here))


def processes_here() -> int:
    """One for each GPU, or what GLEANER_PROCESSES says."""
    import torch

    gpus = torch.cuda.device_count()
    given = os.environ.get(PROCESSES)
    if not given:
        return max(1, gpus)
    if not given.isdecimal() or not 1 <= int(given) <= (gpus or 64):
        raise BadInputError(
            f"{PROCESSES}={given}: expected a number from 1 to {gpus or 64}, one process for each GPU at most"
        )
    return int(given)


def _run(stage: str, argv: list[str], nodes: int, here: int) -> int:
    """Run torchrun's agent in this process until its workers have ended; an exit code."""
    from torch.distributed import DistError
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable(logging.CRITICAL)  # the agent's: what is to be said is said below, in one line
    began = time.monotonic()
    os.environ[LAUNCHER] = str(os.getpid())
    with tempfile.TemporaryDirectory() as logs:
        config = LaunchConfig(
            nodes, nodes, here, DefaultLogsSpecs(logs), max_restarts=0, run_id="gleaner", **_meeting(nodes)
        )
        try:
            elastic_launch(config, sys.executable)("-m", f"components.{stage}", *argv)
            return 0
        except SignalException as stopped:
            return 128 + stopped.sigval
        except ChildFailedError as failed:
            first = min(failed.failures.values(), key=lambda failure: (_blame(failure.exitcode), failure.timestamp))
            if _blame(first.exitcode) < LOST:
                return _say(stage, first.exitcode, first.error_file_data["message"])
        except DistError:  # the agents did not meet
            if time.monotonic() - began >= MEET:
                print(f"error: {stage}: the other pods did not come within {MEET} s", file=sys.stderr, flush=True)
                return 1
    return _begin_anew(stage, argv)


def _meeting(nodes: int) -> dict[str, Any]:
    if nodes == 1:
        return {"rdzv_backend": "c10d", "rdzv_endpoint": "127.0.0.1:0", "local_addr": "127.0.0.1"}
    address, port, node = (os.environ[f"PET_{name}"] for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK"))
    return {
        "rdzv_backend": "static",
        "rdzv_endpoint": f"{address}:{port}",
        "rdzv_configs": {"rank": int(node), "timeout": MEET},
    }


def _blame(exitcode: int) -> int:
    """Rank failures by which more likely came first: a reported error, a signal, a lost peer, what the agent
    ended then.
    """
    if exitcode == -signal.SIGABRT:  # NCCL's watchdog ends a process so where a peer is gone
        return LOST
    if exitcode == -signal.SIGTERM:
        return LOST + 1
    return LOST if exitcode == LOST else min(exitcode, LOST - 1) if exitcode > 0 else LOST - 1


def _say(stage: str, exitcode: int, message: Any) -> int:
    if isinstance(message, dict):
        print(message["extraInfo"]["py_callstack"].rstrip() or message["message"], file=sys.stderr, flush=True)
    else:
        ended = f"ended by {signal.Signals(-exitcode).name}" if exitcode < 0 else f"ended by exit code {exitcode}"
        ended = memory.killed(stage) if exitcode == -signal.SIGKILL else ended
        print(f"error: {stage}: one of its processes was {ended}", file=sys.stderr, flush=True)
    return exitcode if exitcode > 0 else 1


def _begin_anew(stage: str, argv: list[str]) -> NoReturn:
    """Replace this process by a fresh one, so that no port and no store of the last rendezvous is left."""
    attempt = int(os.environ.get(ATTEMPT) or 0) + 1
    if attempt >= ATTEMPTS:
        print(f"error: {stage}: lost the other processes {attempt} times", file=sys.stderr, flush=True)
        raise SystemExit(1)
    print(
        f"{stage}: lost another process; going on from the last checkpoint once it is back", file=sys.stderr, flush=True
    )
    time.sleep(PAUSE)
    os.execve(  # noqa: S606 (no shell)
        sys.executable, [sys.executable, "-m", f"components.{stage}", *argv], {**os.environ, ATTEMPT: str(attempt)}
    )


@contextmanager
def member(stage: str) -> Iterator[None]:
    """Join the process group of a training for the duration of the block; do nothing for a single process.

    The block ends once all have ended it. An error is left to the launcher, which says one for all.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    try:
        with _joined():
            yield
    except BaseException as error:
        line, code = last_words(stage, error) or ("", LOST if isinstance(error, LostPeerError) else 1)
        stack = "" if line else traceback.format_exc()
        about = {
            "message": line or repr(error),
            "extraInfo": {"py_callstack": stack, "timestamp": str(int(time.time()))},
        }
        with suppress(OSError, KeyError):
            # torchrun's format
            Path(os.environ["TORCHELASTIC_ERROR_FILE"]).write_text(json.dumps({"message": about}), encoding="utf-8")
        sys.stdout.flush()
        os._exit(code)  # an orderly end would wait for peers


@contextmanager
def _joined() -> Iterator[None]:
    threading.Thread(target=_end_with_parent, args=(int(os.environ[LAUNCHER]),), daemon=True).start()
    local = int(os.environ["LOCAL_RANK"])
    seen = [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]
    # before CUDA starts: every thread sees one GPU
    os.environ["CUDA_VISIBLE_DEVICES"] = seen[local] if local < len(seen) else str(local)
    import torch
    import torch.distributed as dist

    gpu = torch.cuda.is_available()
    try:
        store, rank, world = next(dist.rendezvous("env://", timeout=timedelta(seconds=MEET)))
        # of those before, whose first process does not know yet that they are over
        if store.add(f"joined/{rank}", 1) > 1:
            raise LostPeerError("this meeting had begun without us")
        dist.init_process_group("nccl" if gpu else "gloo", store=store, rank=rank, world_size=world, timeout=ANSWER)
    except RuntimeError as error:
        raise LostPeerError(str(error)) from error
    yield
    try:  # a pod that is done does not come back, so none may be done before all are
        dist.all_reduce(torch.zeros(1, device="cuda" if gpu else "cpu"))
        if gpu:
            torch.cuda.synchronize()
    except RuntimeError as error:
        raise LostPeerError(str(error)) from error
    dist.destroy_process_group()


def _end_with_parent(parent: int) -> None:
    """The agent puts each process into a session of its own, where a kill of the agent does not reach it."""
    while os.getppid() == parent:
        time.sleep(PAUSE)
    os._exit(1)


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")
