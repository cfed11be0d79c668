"""Processes that handle what may be hostile: limits of memory and time, and words for how one of them ended."""

import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

OUT_OF_MEMORY = 77  # exit code of a process that could not get memory

processes = get_context("forkserver")  # a new process costs milliseconds, and has no lock or thread of ours


class Limits(NamedTuple):
    """What decoding may cost."""

    max_pixels: int
    seconds: float  # per image
    memory: int  # bytes per process, above what it starts with


def settle(environment: Mapping[str, str], memory: int) -> None:
    """What such a process does first: leave signals of the terminal to its parent, take the parent's environment, and
    limit its memory.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    os.environ.clear()
    os.environ.update(environment)  # the fork server has that of an earlier time
    _limit_memory(memory)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """End this process where the block takes far longer than `seconds`: the parent, who would kill it earlier, is
    gone.
    """
    signal.setitimer(signal.ITIMER_REAL, 2 * seconds + 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def too_long(limits: Limits) -> str:
    """What to say of an image whose process was killed for the time that it took."""
    return f"too long to decode: more than {limits.seconds:g} s"


def cause(code: int, limits: Limits) -> str:
    """What to say of an image whose process ended with that exit code."""
    if code == OUT_OF_MEMORY:
        return f"too much memory to decode: more than {limits.memory >> 20} MiB"
    if code == -signal.SIGKILL:
        return "killed the decoder: SIGKILL, most likely for memory"
    return f"crashed the decoder: {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"


def _limit_memory(memory: int) -> None:
    """Let the address space grow by `memory` bytes at most; only Linux counts it in a way that can be limited."""
    if sys.platform != "linux":
        return
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = now + memory if hard == resource.RLIM_INFINITY else min(now + memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
