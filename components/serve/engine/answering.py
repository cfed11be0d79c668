"""From bytes to an answer: decode, run, keep a sample."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from components.common import clock
from components.common.data.images import Seen
from components.common.files import sha256_bytes
from components.common.metrics import abstains
from components.releases.model import Answers, ReleasedModel
from components.releases.observing import appearance, observation
from components.serve.engine.admission import Admission
from components.serve.engine.batching import Batcher
from components.serve.engine.current import Current, floor
from components.serve.engine.decoders import Decoders
from components.serve.engine.errors import UnreadableError
from components.serve.log import Log
from components.serve.metrics import Metrics

LARGE = 256 << 10  # bytes from which on a digest is taken beside the event loop


class Reply(NamedTuple):
    """Answers, a row for each image that could be read."""

    release: ReleasedModel
    answers: Answers | None  # None where no image could be read
    errors: list[UnreadableError | None]  # of each image that was asked about, in order


class Answering(NamedTuple):
    """All that an answer needs."""

    current: Current
    decoders: Decoders
    batcher: Batcher
    admission: Admission
    metrics: Metrics
    log: Log | None = None

    @property
    def can_answer(self) -> bool:
        return self.decoders.alive > 0

    async def images(self, images: Sequence[bytes]) -> Reply:
        """Answers for image files."""
        release = self.current.release
        seen = await asyncio.gather(*(self._decoded(data, release) for data in images))
        errors = [each if isinstance(each, UnreadableError) else None for each in seen]
        read = [(data, each) for data, each in zip(images, seen, strict=True) if isinstance(each, Seen)]
        self.metrics.unreadable.inc(len(images) - len(read))
        if not read:
            return Reply(release, None, errors)
        answers = await self._run(release, np.stack([each.pixels for _, each in read]))
        for row, (data, each) in enumerate(read):
            await self._sample(release, answers, row, data, each)
        return Reply(release, answers, errors)

    async def pixels(self, release: ReleasedModel, pixels: np.ndarray) -> Answers:
        """Answers for uint8 (images, channels, side, side) as `release` reads them."""
        answers = await self._run(release, pixels)
        for row, each in enumerate(pixels):
            await self._sample(release, answers, row, None, Seen(each, 0, 0))
        return answers

    async def _decoded(self, data: bytes, release: ReleasedModel) -> Seen | UnreadableError:
        try:
            return await self.decoders.decode(data, release.preprocessing)
        except UnreadableError as error:
            return error

    async def _run(self, release: ReleasedModel, pixels: np.ndarray) -> Answers:
        answers = await self.batcher.answer(release, pixels)
        self.admission.done(len(pixels))
        for best in answers.probabilities.argmax(axis=1):
            self.metrics.images.labels(release.classes[best]).inc()
        threshold = floor(release)
        if threshold is not None:
            self.metrics.abstained.inc(int(abstains(answers.probabilities, threshold).sum()))
        return answers

    async def _sample(self, release: ReleasedModel, answers: Answers, row: int, data: bytes | None, seen: Seen) -> None:
        """Keep an answer where it is one of the sample. data: the image file; None where its pixels came."""
        if self.log is None or not self.log.wants():
            return
        data = seen.pixels.tobytes() if data is None else data
        self.log.add(
            {
                "id": await asyncio.to_thread(sha256_bytes, data) if len(data) > LARGE else sha256_bytes(data),
                "time": clock.now(),
                **observation(release, answers, row),
                **appearance(seen),
                "pixels": seen.pixels.tobytes() if self.log.with_pixels else None,
            }
        )
