"""Handle what may be hostile in a crew of processes: an item that crashes its process is refused, and results keep
their order.

An item is blamed only when it takes down a second process that had nothing else to do, so that a stray signal costs no
item. Memory does not grow with the number of items: results wait in a short window, and a part of it that is full waits
for its turn.
"""

import os
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from ctypes import Array, c_double
from multiprocessing.connection import Connection, wait
from typing import Generic, Protocol, TypeVar

from components.common.confined import (
    OUT_OF_MEMORY,
    Limits,
    at_most,
    cause,
    processes,
    settle,
    too_long,
)
from components.common.errors import BadInputError

AHEAD = 3  # chunks per process that may be under way
DEATHS = 2  # of processes, until an item is to blame
FALSE_STARTS = 3  # processes in a row that die before they take up an item
NOTHING = -1.0  # position of an item, where none is in hand

T = TypeVar("T")  # items: values that are equal where they are the same item
R = TypeVar("R")  # results


class Mark:
    """What a process leaves to be seen from outside: the position of the item in hand, and when its handling began (0:
    it is still being read).
    """

    def __init__(self, array: "Array[c_double]") -> None:
        self.array = array

    def reading(self, position: int) -> None:
        """The item there is being read; an error of the reading is blamed on it, its time on nobody."""
        self.array[0] = position

    def idle(self) -> None:
        """No item is in hand: what happens now is the fault of none."""
        self.array[0] = NOTHING

    @contextmanager
    def at(self, position: int, seconds: float) -> Iterator[None]:
        """The item there is handled for as long as the block lasts, which may be `seconds`."""
        self.array[0] = position
        self.array[1] = time.monotonic()
        with at_most(seconds):
            yield
        self.array[1] = 0


class Job(Protocol[T, R]):
    """What is done with items; sent to each process once."""

    @property
    def limits(self) -> Limits: ...

    def begin(self) -> None:
        """Make a process ready, once its limits are set."""

    def work(self, items: list[T], mark: Mark) -> list[R]:
        """The results of the first items, of one at least."""

    def refused(self, item: T, reason: str) -> R:
        """The result of an item that costs too much."""


class _Chunk(Generic[T, R]):
    """Items that wait, in order, and results that wait for those before them."""

    def __init__(self, items: list[T]) -> None:
        self.items = deque(items)
        self.done = deque[R]()
        self.busy = False
        self.deaths: Counter[T] = Counter()

    def next_items(self) -> list[T]:
        """All that are left up to the first suspect; a suspect goes alone."""
        items = list(self.items)
        suspect = next((place for place, item in enumerate(items) if item in self.deaths), len(items))
        return items[: max(suspect, 1)]


class _Worker(Generic[T, R]):
    """A process, its pipe, and the mark that it leaves."""

    def __init__(self, job: Job[T, R]) -> None:
        self.job = job
        self.mark = processes.RawArray(c_double, 2)
        self.chunk: _Chunk[T, R] | None = None
        self.pipe, theirs = processes.Pipe()
        self.process = processes.Process(target=_serve, args=(theirs, self.mark, job, dict(os.environ)), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, chunk: _Chunk[T, R]) -> None:
        self.chunk = chunk
        chunk.busy = True
        self.sent = chunk.next_items()
        self.mark[:] = [NOTHING, 0]
        with suppress(OSError):  # it died idle: reading its answer will tell
            self.pipe.send(self.sent)

    def take(self) -> bool:
        """Move what it has done to its chunk; False where it died instead."""
        assert self.chunk is not None
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            return False
        if isinstance(answer, Exception):
            raise answer
        for _ in answer:
            self.chunk.items.popleft()
        self.chunk.done.extend(answer)
        self.chunk.busy, self.chunk = False, None
        return True

    def is_overdue(self) -> bool:
        began = self.mark[1]
        return began > 0 and time.monotonic() - began > self.job.limits.seconds and not self.pipe.poll()

    def note_death(self, overdue: bool) -> bool:
        """Note which item it died of; the second time, that item is done with. False where it died of none."""
        assert self.chunk is not None
        self.stop()
        self.chunk.busy = False
        position = int(self.mark[0])
        if position < 0:
            return False
        chunk = self.chunk
        culprit = self.sent[position]
        chunk.deaths[culprit] += 1
        if chunk.deaths[culprit] >= DEATHS and culprit == chunk.items[0]:
            chunk.items.popleft()
            limits = self.job.limits
            reason = too_long(limits) if overdue else cause(self.process.exitcode or 0, limits)
            chunk.done.append(self.job.refused(culprit, reason))
        return True

    def stop(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


def handle(chunks: Iterable[list[T]], job: Job[T, R], workers: int) -> Iterator[R]:
    """Results of every item of every chunk, in their order, whatever the number of workers and of the dead.

    chunks: items that one process handles at a time, one at least.
    """
    waiting = iter(chunks)
    window = deque[_Chunk[T, R]]()
    crew: list[_Worker[T, R]] = []
    false_starts = 0
    try:
        while True:
            while len(window) < AHEAD * workers and (items := next(waiting, None)):
                window.append(_Chunk(items))
            if not window:
                return
            _hand_out(window, crew, workers, job)  # first of all, so that they work while results are being used
            if window[0].done or not window[0].items:
                while window[0].done:
                    yield window[0].done.popleft()
                if not window[0].items:
                    window.popleft()
                continue
            began = _collect(crew, job.limits)
            if began is not None:
                false_starts = 0 if began else false_starts + 1
            if false_starts == FALSE_STARTS:
                raise RuntimeError("decoding processes die before they take up an image; what they print says why")
    finally:
        for worker in crew:
            worker.stop()


def _hand_out(window: deque[_Chunk[T, R]], crew: list[_Worker[T, R]], workers: int, job: Job[T, R]) -> None:
    for place, chunk in enumerate(window):
        if chunk.busy or not chunk.items or (chunk.done and place):  # what is partly done goes on when it is first
            continue
        idle = next((worker for worker in crew if worker.chunk is None), None)
        if idle is None:
            if len(crew) == workers:
                return
            idle = _Worker(job)
            crew.append(idle)
        idle.give(chunk)


def _collect(crew: list[_Worker[T, R]], limits: Limits) -> bool | None:
    """Wait for answers and handle dead workers; whether any of both had begun, None where nothing is new."""
    began: list[bool] = []
    busy = [worker for worker in crew if worker.chunk is not None]
    ready = wait([worker.pipe for worker in busy], timeout=min(1.0, limits.seconds / 4))
    for worker in busy:
        answered = worker.pipe in ready
        if answered and worker.take():
            began.append(True)
        elif answered or worker.is_overdue():
            began.append(worker.note_death(overdue=not answered))
            crew.remove(worker)
    return any(began) if began else None


def _serve(pipe: Connection, array: "Array[c_double]", job: Job[T, R], environment: dict[str, str]) -> None:
    """What a process does until its pipe closes."""
    settle(environment, job.limits.memory)
    mark = Mark(array)
    is_ready = False
    while True:
        try:
            items = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            if not is_ready:
                job.begin()
                is_ready = True
            pipe.send(job.work(items, mark))
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except BadInputError as error:
            pipe.send(error)
        except BrokenPipeError:
            return
        except Exception:
            pipe.send(RuntimeError(f"in a decoding process:\n{traceback.format_exc()}"))
