"""Decode and classify images in a crew of processes (components/common/crew.py), each with the model of its own.

Equal inputs give equal bytes, however often a run was killed: an image has a place of its own in a batch of fixed size,
whichever of its neighbours could be read.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from components.common.confined import Limits, processes
from components.common.crew import Mark, handle
from components.common.data.images import ImageError, Seen
from components.common.data.kinds import HEAD, kind_of
from components.ingest.reading.check import Fetched
from components.ingest.reading.pool import fetch_all
from components.ingest.source.filenames import extension_of
from components.ingest.source.locations import SourceFile
from components.predict.settings import CHUNK, PredictSettings
from components.releases.model import Answers, ReleasedModel, load_release

processes.set_forkserver_preload([__name__])

Row = dict[str, Any]
"""What is told of an image: `image`, and `error` or class, confidence, top, abstain, set, and perhaps embedding."""

_models: dict["Answering", ReleasedModel] = {}  # of a process, which holds one


class Item(NamedTuple):
    """An image and its place in the batch of its chunk."""

    file: SourceFile
    place: int
    of: int  # places


class Answering(NamedTuple):
    """The job of a process: which release answers, and what is told."""

    release: str  # place of one version
    max_pixels: int
    settings: PredictSettings

    @property
    def limits(self) -> Limits:
        return Limits(self.max_pixels, self.settings.max_seconds, self.settings.max_memory)

    def begin(self) -> None:
        _models[self] = load_release(self.release, self.settings.threads, self.settings.int8)

    def work(self, items: list[Item], mark: Mark) -> list[Row | None]:
        """What is told of each; None of a file that is no image, and does not claim to be one."""
        model = _models[self]
        side = model.preprocessing.image_size
        pixels = np.zeros((items[0].of, len(model.preprocessing.mode), side, side), np.uint8)
        rows: list[Row | None] = []
        read: list[int] = []
        for position, (item, fetched) in enumerate(
            zip(items, fetch_all([item.file for item in items], mark, ""), strict=True)
        ):
            with mark.at(position, self.settings.max_seconds):
                rows.append(self._decoded(item.file, fetched, model, pixels[item.place]))
            if rows[-1] is not None and "error" not in rows[-1]:
                read.append(position)
        mark.idle()
        if read:
            places = [items[position].place for position in read]
            for position, told in zip(read, self.told(model, model.run(pixels), places), strict=True):
                rows[position] = {**(rows[position] or {}), **told}
        return rows

    def refused(self, item: Item, reason: str) -> Row:
        return {"image": item.file.key, "error": reason}

    def told(self, model: ReleasedModel, answers: Answers, places: list[int]) -> Iterator[Row]:
        """What is told of the answers at these places, in their order."""
        chosen = Answers(*(values[places] for values in answers))
        for told, embedding in zip(model.told(chosen, self.settings.top), chosen.embeddings, strict=True):
            yield {**told, **({"embedding": embedding} if self.settings.embedding else {})}

    def noted(self, file: SourceFile, data: bytes, seen: Seen) -> Row:
        """What is told of an image besides: nothing."""
        return {}

    def _decoded(self, file: SourceFile, fetched: Fetched, model: ReleasedModel, pixels: np.ndarray) -> Row | None:
        """Write the pixels of an image to their place in the batch."""
        row: Row = {"image": file.key}
        if fetched.data is None:
            return {**row, "error": fetched.reason}
        if not file.is_image and not kind_of(fetched.data[:HEAD], extension_of(file.key)):
            return None
        try:
            seen = model.preprocessing.seen(fetched.data)
        except ImageError as error:
            return {**row, "error": str(error)}
        pixels[:] = seen.pixels
        return {**row, **self.noted(file, fetched.data, seen)}


def answer_all(parts: Iterable[Iterable[SourceFile]], job: Answering) -> Iterator[Row | None]:
    """What is told of every image of every part, in their order."""
    return handle(_chunks(parts), job, job.settings.processes)


def _chunks(parts: Iterable[Iterable[SourceFile]]) -> Iterator[list[Item]]:
    for part in parts:
        files = iter(part)
        while chunk := list(islice(files, CHUNK)):
            yield [Item(file, place, len(chunk)) for place, file in enumerate(chunk)]
