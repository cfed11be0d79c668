"""Have a release answer for the images of a source, as batch prediction does, and keep what a watch wants of them."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.common.cores import cores
from components.common.data.images import Seen
from components.common.errors import BadInputError
from components.common.files import sha256_bytes
from components.common.metrics import entropy
from components.common.storage import open_store
from components.ingest.source.locations import SourceFile
from components.monitor.collect.found import Found
from components.monitor.observed import SCHEMA
from components.monitor.settings import MonitorSettings
from components.predict.answering import Answering, Row, answer_all
from components.predict.listing import Listing, write_listing
from components.predict.pace import paced
from components.predict.settings import CHUNK, PredictSettings
from components.predict.work import near
from components.releases.model import Answers, ReleasedModel, load_release
from components.releases.observing import appearance, observation

PART = 1 << 16  # images that are listed together
ROWS = 1024  # rows that are made into a table at once


class Observing(Answering):
    """The job of a process that answers as a server does, whose log would hold these rows."""

    def noted(self, file: SourceFile, data: bytes, seen: Seen) -> Row:
        return {"id": sha256_bytes(data), "where": _where(file), **appearance(seen)}

    def told(self, model: ReleasedModel, answers: Answers, places: list[int]) -> Iterator[Row]:
        sure = entropy(answers.probabilities)
        for place in places:
            yield {**observation(model, answers, place), "entropy": sure[place]}


def classified(
    source: str,
    release: str,
    since: datetime,
    until: datetime,
    rng: np.random.Generator,
    settings: MonitorSettings,
    scratch: Path,
) -> Found:
    """What the release at a place says of the images of a source, a random draw of at most `max_images` of them.

    source: a folder, prefix, pattern, archive or table, or the same on s3://. Raises BadInputError where it names no
    images, or none of them can be read.
    """
    model = load_release(release, 1)
    far = "://" in source and open_store(source)  # BadInputError where no such place is known
    place = source if far else str(Path(source).expanduser().absolute())
    listing = write_listing([place], PART, scratch, scratch / "listing.parquet")
    count = sum(listing.sizes)
    drawn = np.sort(rng.choice(count, settings.max_images, replace=False)) if count > settings.max_images else None
    total = count if drawn is None else len(drawn)
    files = near(_chosen(listing, drawn), scratch)
    asked = PredictSettings(processes=min(cores(), -(-total // CHUNK), 256))
    rows = answer_all([files], Observing(release, model.preprocessing.max_pixels, asked))
    table, refused = _table(rows, total, until)
    if refused and not len(table):
        first = f"the first of {len(refused):,}: {refused[0]['image']}: {refused[0]['error']}"
        raise BadInputError(f"{source}: names no image that can be read ({first})")
    return Found(place, since, until, table, count, unreadable=len(refused))


def _chosen(listing: Listing, drawn: np.ndarray | None) -> Iterator[SourceFile]:
    """The files of a listing, or those at some ascending positions."""
    every = (file for number in range(len(listing.sizes)) for file in listing.part(number))
    if drawn is None:
        yield from every
        return
    at = 0
    for position in drawn.tolist():
        yield next(islice(every, position - at, None))
        at = position + 1


def _table(rows: Iterator[Row | None], total: int, time: datetime) -> tuple[pa.Table, list[Row]]:
    """The images that could be read, in their order, and what is told of the others."""
    tables, refused = [SCHEMA.empty_table()], []
    some: list[dict[str, Any]] = []
    for row, _ in zip(rows, paced((1 for _ in range(total)), 0, total), strict=True):
        if row is None:
            continue
        if "error" in row:
            refused.append(row)
            continue
        some.append({**row, "time": time})
        if len(some) == ROWS:
            tables.append(_rows(some))
            some = []
    return pa.concat_tables([*tables, _rows(some)]), refused


def _rows(some: list[dict[str, Any]]) -> pa.Table:
    return pa.table([pa.array([row[field.name] for row in some], field.type) for field in SCHEMA], schema=SCHEMA)


def _where(file: SourceFile) -> str:
    """Where the image lies; of a member of an archive, that and its name there."""
    if file.location is None or file.location.is_member:
        return file.key
    return f"{file.location.store.rstrip('/')}/{file.location.key}"
