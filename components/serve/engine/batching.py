"""Run the model on several images at once: those that arrive while it is at work, or within a short wait, go together.

One thread runs the model, which computes with as many threads as it was given; the event loop goes on meanwhile.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from components.releases.model import Answers, ReleasedModel


class _Job(NamedTuple):
    release: ReleasedModel
    pixels: np.ndarray  # uint8 (images, channels, side, side)
    answer: "asyncio.Future[Answers]"
    loop: asyncio.AbstractEventLoop


class Batcher:
    """Answers for pixels, in batches of at most `most` images; it ends with its block, after what was asked."""

    def __init__(self, most: int, wait: float, ran: Callable[[int], None]) -> None:
        """wait: seconds that a batch waits for more images; ran: called with the size of each batch, in the thread."""
        self.most, self.wait, self.ran = most, wait, ran
        self.jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.left: _Job | None = None  # came first, and did not fit into the batch before
        self.thread = threading.Thread(target=self._work, name="model")

    def __enter__(self) -> "Batcher":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.jobs.put(None)
        self.thread.join()

    async def answer(self, release: ReleasedModel, pixels: np.ndarray) -> Answers:
        """What `release` says of uint8 (images, channels, side, side)."""
        loop = asyncio.get_running_loop()
        job = _Job(release, pixels, loop.create_future(), loop)
        self.jobs.put(job)
        return await job.answer

    def _work(self) -> None:
        while True:
            first = self.left or self.jobs.get()
            self.left = None
            if first is None:
                return
            batch, is_last = self._gather(first)
            _deliver(batch, self._run(batch))
            if is_last:
                return

    def _gather(self, first: _Job) -> tuple[list[_Job], bool]:
        """The first job and those that fit beside it; whether it is the last batch of all."""
        batch, images = [first], len(first.pixels)
        until = time.monotonic() + self.wait
        while images < self.most:
            try:
                left = until - time.monotonic()
                job = self.jobs.get(timeout=left) if left > 0 else self.jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return batch, True
            if job.release is not first.release or images + len(job.pixels) > self.most:
                self.left = job
                break
            batch.append(job)
            images += len(job.pixels)
        return batch, False

    def _run(self, batch: list[_Job]) -> Answers | Exception:
        release = batch[0].release
        pixels = batch[0].pixels if len(batch) == 1 else np.concatenate([job.pixels for job in batch])
        try:
            parts = [release.run(pixels[start : start + self.most]) for start in range(0, len(pixels), self.most)]
        except Exception as error:  # of onnxruntime, which has its own; whoever asked is told, and the others go on
            return error
        for part in parts:
            self.ran(len(part.logits))
        return parts[0] if len(parts) == 1 else Answers(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _deliver(batch: list[_Job], answers: Answers | Exception) -> None:
    def tell() -> None:
        start = 0
        for job in batch:
            end = start + len(job.pixels)
            if not job.answer.done():
                if isinstance(answers, Exception):
                    job.answer.set_exception(answers)
                else:
                    job.answer.set_result(Answers(*(each[start:end] for each in answers)))
            start = end

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        batch[0].loop.call_soon_threadsafe(tell)
