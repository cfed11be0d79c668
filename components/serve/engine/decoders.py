"""Decode images of strangers in a few processes: one that an image crashes, stalls or swells is replaced.

An image is refused when it takes too long, or when a second process that had nothing else to do dies of it, so that a
stray signal costs no image. The event loop never waits for a process: it writes to sockets and is told of answers.
"""

import asyncio
import math
import os
import socket
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import numpy as np

from components.common.confined import Limits, cause, processes, too_long
from components.common.data.images import Seen
from components.releases.preprocessing import Preprocessing
from components.serve.engine import decoding
from components.serve.engine.errors import UnreadableError

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before a process is replaced that died before it took up an image
START = 30.0  # seconds that a process has to get ready in
LONGEST_REASON = 10_000  # bytes
STATUS = {decoding.BROKEN: 422, decoding.FOREIGN: 415}

processes.set_forkserver_preload([decoding.__name__])


class _Job(NamedTuple):
    data: bytes
    preprocessing: Preprocessing
    answer: "asyncio.Future[Seen]"


class _Process:
    """A decoding process and the socket to talk to it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.ours, theirs = socket.socketpair()
        with theirs:
            self.process: BaseProcess = processes.Process(
                target=decoding.serve, args=(theirs, limits, dict(os.environ)), daemon=True
            )
            self.process.start()

    async def begin(self) -> bool:
        """Wait until it is ready; False where it does not get there."""
        self.reader, self.writer = await asyncio.open_connection(sock=self.ours)
        try:
            async with asyncio.timeout(START):
                await self.reader.readexactly(len(decoding.READY))
        except (OSError, EOFError):  # TimeoutError is an OSError
            return False
        return True

    async def decode(self, job: _Job) -> Seen:
        """Raises UnreadableError where the image cannot be read, OSError or EOFError where the process died, and
        TimeoutError where it takes too long.
        """
        how = job.preprocessing
        mode, max_pixels = decoding.MODES.index(how.mode), min(how.max_pixels, self.limits.max_pixels)
        self.writer.write(decoding.ASKED.pack(len(job.data), mode, how.image_size, max_pixels))
        self.writer.write(job.data)
        async with asyncio.timeout(self.limits.seconds):
            head = decoding.TOLD.unpack(await self.reader.readexactly(decoding.TOLD.size))
            shape = (len(how.mode), how.image_size, how.image_size)
            if head[1] > (LONGEST_REASON if head[0] in STATUS else math.prod(shape)):
                raise ConnectionError("an image has taken over its process")
            rest = await self.reader.readexactly(head[1])
        if head[0] in STATUS:
            raise UnreadableError(rest.decode(errors="replace"), STATUS[head[0]])
        return Seen(np.frombuffer(rest, np.uint8).reshape(shape), *head[2:])

    def stop(self) -> int:
        """Kill it; returns its exit code."""
        self.ours.close()
        self.process.kill()
        self.process.join()
        return self.process.exitcode or 0


class Decoders:
    """A few decoding processes for as long as a block lasts."""

    def __init__(self, count: int, limits: Limits, replaced: Callable[[], None]) -> None:
        """replaced: called for each process that had to be replaced."""
        self.count, self.limits, self.replaced = count, limits, replaced
        self.jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self.alive = 0  # processes that are there to take up an image

    async def __aenter__(self) -> "Decoders":
        self.tasks = [asyncio.create_task(self._attend()) for _ in range(self.count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def decode(self, data: bytes, preprocessing: Preprocessing) -> Seen:
        """The image as the model sees it; UnreadableError where it cannot be read, or costs too much."""
        job = _Job(data, preprocessing, asyncio.get_running_loop().create_future())
        self.jobs.put_nowait(job)
        return await job.answer

    async def _attend(self) -> None:
        """Keep one process at work, and replace it when it dies; an image that it died of is tried once more."""
        pause = FIRST_PAUSE
        suspect: _Job | None = None
        while True:
            process = await asyncio.to_thread(_Process, self.limits)
            try:
                is_ready = await process.begin()
                if is_ready:
                    pause = FIRST_PAUSE
                    died_of = await self._work(process, suspect)
            finally:
                code = process.stop()
            if is_ready:
                suspect = self._judge(died_of, suspect, code)
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            self.replaced()

    async def _work(self, process: _Process, suspect: _Job | None) -> _Job | None:
        """Decode until the process ends; returns the image that it ended with, None where it had none."""
        self.alive += 1
        try:
            return await self._decode_all(process, suspect)
        finally:
            self.alive -= 1

    async def _decode_all(self, process: _Process, suspect: _Job | None) -> _Job | None:
        while True:
            job = suspect or await self.jobs.get()
            suspect = None
            if job.answer.done():  # who asked is gone
                continue
            if process.reader.at_eof():  # it died idle
                self.jobs.put_nowait(job)
                return None
            try:
                seen = await process.decode(job)
            except UnreadableError as error:
                _refuse(job, error)
            except TimeoutError:
                _refuse(job, UnreadableError(too_long(self.limits), 422))
                return None
            except (OSError, EOFError):
                return job
            else:
                if not job.answer.done():
                    job.answer.set_result(seen)

    def _judge(self, died_of: _Job | None, suspect: _Job | None, code: int) -> _Job | None:
        """The image to try once more; one that a second process died of is refused."""
        if died_of is not None and died_of is suspect:
            _refuse(died_of, UnreadableError(cause(code, self.limits), 422))
            return None
        return died_of


def _refuse(job: _Job, error: UnreadableError) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)
