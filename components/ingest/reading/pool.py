"""Check images in worker processes: an image that crashes its process is refused, and results keep their order.

An image is blamed only when it takes down a second process that had nothing else to do, so that a stray signal costs no
image. Memory does not grow with the number of files: results wait in a short window, and a part of it that is full
waits for its turn.
"""

import os
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ctypes import Array, c_double
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from typing import NamedTuple

from components.common.confined import OUT_OF_MEMORY, Limits, at_most, cause, processes, settle, too_long
from components.common.errors import BadInputError
from components.ingest.previous.ids import NOTHING, KnownIds
from components.ingest.reading.check import Checked, Fetched, check, fetch
from components.ingest.source.locations import SourceFile, shown

CHUNK_BYTES, CHUNK_FILES = 4 << 20, 64  # of source files, and of results, that one process handles at a time
FETCHES = 8  # requests that one process has under way
AHEAD = 3  # chunks per process that may be under way
DEATHS = 2  # of processes, until an image is to blame
FALSE_STARTS = 3  # processes in a row that die before they take up an image

processes.set_forkserver_preload([__name__])


class Reading(NamedTuple):
    """What is read, and how."""

    source: str  # store of keys without a location of their own
    mode: str  # RGB or L
    limits: Limits
    known: KnownIds = NOTHING


class _Chunk:
    """Files that wait, in order, and results that wait for those before them."""

    def __init__(self, files: list[SourceFile]) -> None:
        self.files = deque(files)
        self.done = deque[Checked]()
        self.busy = False
        self.deaths: Counter[str] = Counter()

    def next_files(self) -> list[SourceFile]:
        """All that are left up to the first suspect; a suspect goes alone."""
        files = list(self.files)
        suspect = next((place for place, file in enumerate(files) if file.key in self.deaths), len(files))
        return files[: max(suspect, 1)]


class _Worker:
    """A process, its pipe, and the mark that it leaves: the position of the image in hand (-1: none yet), and when
    its decoding began (0: it is still being read).
    """

    def __init__(self, reading: Reading) -> None:
        self.limits = reading.limits
        self.mark = processes.RawArray(c_double, 2)
        self.chunk: _Chunk | None = None
        self.pipe, theirs = processes.Pipe()
        self.process = processes.Process(
            target=_serve, args=(theirs, self.mark, reading, dict(os.environ)), daemon=True
        )
        self.process.start()
        theirs.close()

    def give(self, chunk: _Chunk) -> None:
        self.chunk = chunk
        chunk.busy = True
        self.sent = chunk.next_files()
        self.mark[:] = [-1, 0]
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
            self.chunk.files.popleft()
        self.chunk.done.extend(answer)
        self.chunk.busy, self.chunk = False, None
        return True

    def is_overdue(self) -> bool:
        began = self.mark[1]
        return began > 0 and time.monotonic() - began > self.limits.seconds and not self.pipe.poll()

    def note_death(self, overdue: bool) -> bool:
        """Note which image it died of; the second time, that image is done with. False where it died of none."""
        assert self.chunk is not None
        self.stop()
        self.chunk.busy = False
        position = int(self.mark[0])
        if position < 0:
            return False
        chunk = self.chunk
        culprit = self.sent[position]
        chunk.deaths[culprit.key] += 1
        if chunk.deaths[culprit.key] >= DEATHS and culprit == chunk.files[0]:
            chunk.files.popleft()
            reason = too_long(self.limits) if overdue else cause(self.process.exitcode or 0, self.limits)
            chunk.done.append(Checked(shown(culprit.key), "", None, reason))
        return True

    def stop(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


def warm_up() -> None:
    """Start the server that forks decoding processes, so that it imports what they need while the source is listed."""
    forkserver.ensure_running()


def check_all(files: Iterable[SourceFile], reading: Reading, workers: int) -> Iterator[Checked]:
    """Check every file of a source; results come in the order of `files`, whatever the number of workers and of the
    dead.
    """
    chunks = _chunks(files)
    window = deque[_Chunk]()
    crew: list[_Worker] = []
    false_starts = 0
    try:
        while True:
            while len(window) < AHEAD * workers and (chunk := next(chunks, None)):
                window.append(chunk)
            if not window:
                return
            _hand_out(window, crew, workers, reading)  # first of all, so that they work while results are being used
            if window[0].done or not window[0].files:
                while window[0].done:
                    yield window[0].done.popleft()
                if not window[0].files:
                    window.popleft()
                continue
            began = _collect(crew, reading.limits)
            if began is not None:
                false_starts = 0 if began else false_starts + 1
            if false_starts == FALSE_STARTS:
                raise RuntimeError("decoding processes die before they take up an image; what they print says why")
    finally:
        for worker in crew:
            worker.stop()


def _hand_out(window: deque[_Chunk], crew: list[_Worker], workers: int, reading: Reading) -> None:
    for place, chunk in enumerate(window):
        if chunk.busy or not chunk.files or (chunk.done and place):  # what is partly done goes on when it is first
            continue
        idle = next((worker for worker in crew if worker.chunk is None), None)
        if idle is None:
            if len(crew) == workers:
                return
            idle = _Worker(reading)
            crew.append(idle)
        idle.give(chunk)


def _collect(crew: list[_Worker], limits: Limits) -> bool | None:
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


def _chunks(files: Iterable[SourceFile]) -> Iterator[_Chunk]:
    chunk: list[SourceFile] = []
    size = 0
    for file in files:
        chunk.append(file)
        size += file.size
        if size >= CHUNK_BYTES or len(chunk) >= CHUNK_FILES:
            yield _Chunk(chunk)
            chunk = []
            size = 0
    if chunk:
        yield _Chunk(chunk)


def _serve(pipe: Connection, mark: "Array[c_double]", reading: Reading, environment: dict[str, str]) -> None:
    """What a process does until its pipe closes."""
    settle(environment, reading.limits.memory)
    while True:
        try:
            files = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send(_work(files, mark, reading))
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except BadInputError as error:
            pipe.send(error)
        except BrokenPipeError:
            return
        except Exception:
            pipe.send(RuntimeError(f"in a decoding process:\n{traceback.format_exc()}"))


def _work(files: list[SourceFile], mark: "Array[c_double]", reading: Reading) -> list[Checked]:
    """The first results: of all files, or as many as fill a chunk. From far, the next files are fetched while one is
    decoded.
    """
    done: list[Checked] = []
    size = 0
    for position, (file, fetched) in enumerate(zip(files, _fetched(files, mark, reading.source), strict=True)):
        mark[0] = position
        mark[1] = time.monotonic()
        with at_most(reading.limits.seconds):
            done.append(check(file, fetched, reading.mode, reading.limits.max_pixels, reading.known))
        mark[1] = 0
        image = done[-1].image
        size += len(image.data) if image else 0
        if size >= CHUNK_BYTES:
            break
    return done


def _fetched(files: list[SourceFile], mark: "Array[c_double]", source: str) -> Iterator[Fetched]:
    """What the files hold, in their order; several at a time where each costs a round trip."""
    if not any((file.location.store if file.location else source).startswith("s3://") for file in files):
        for position, file in enumerate(files):
            mark[0] = position
            yield fetch(source, file)
        return
    mark[0] = 0
    with ThreadPoolExecutor(FETCHES) as threads:
        try:
            yield from threads.map(partial(fetch, source), files)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
