"""Take a window of a serving log: what one release answered, all of it or a random draw."""

from collections import Counter, deque
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common.errors import BadInputError
from components.common.metrics import entropy
from components.common.served import ROWS, read
from components.common.storage import FolderStore, Store, open_store
from components.monitor.collect.found import Found
from components.monitor.observed import SCHEMA
from components.monitor.settings import MonitorSettings

COLUMNS = [name for name in ROWS.names if name != "pixels"]
FARTHER = 10  # so many times the days of a look, before the first one
ROOM = 1.25  # rows that a draw holds, of those it keeps
PIECE = 4096  # rows that are put in order at once


class Window(NamedTuple):
    """What is looked at: the answers of one version in a stretch of time."""

    model: str
    version: str
    classes: int
    since: datetime
    until: datetime
    is_first: bool  # no look was before it


class Draw:
    """At most so many rows of a stream, each as likely as any other; in memory never many more than these."""

    def __init__(self, most: int, rng: np.random.Generator) -> None:
        self.most, self.rng = most, rng
        self.seen = self.held = 0
        self.worst = np.inf  # the highest number that may still be drawn
        self.tables: list[pa.Table] = []
        self.numbers: list[np.ndarray] = []

    def add(self, table: pa.Table) -> None:
        """Give each row a random number: the lowest ones stay."""
        self.seen += len(table)
        self._hold(table, self.rng.random(len(table)))
        if self.held > ROOM * self.most:
            self._thin()

    def drawn(self) -> pa.Table | None:
        """The rows, in the order in which they came; None where none came."""
        if self.held > self.most:
            self._thin()
        return pa.concat_tables(self.tables) if self.tables else None

    def _hold(self, table: pa.Table, numbers: np.ndarray) -> None:
        stays = numbers <= self.worst
        if stays.any():
            self.tables.append(table if stays.all() else table.filter(pa.array(stays)))
            self.numbers.append(numbers[stays])
            self.held += len(self.tables[-1])

    def _thin(self) -> None:
        self.worst = np.partition(np.concatenate(self.numbers), self.most - 1)[self.most - 1]
        before = deque(zip(self.tables, self.numbers, strict=True))
        self.tables, self.numbers, self.held = [], [], 0
        while before:  # each goes as soon as its rows are taken
            self._hold(*before.popleft())


def logged(place: str, window: Window, rng: np.random.Generator, settings: MonitorSettings) -> Found:
    """The answers of a window in the log at `place`, at most `max_images`.

    A first look with too few of them goes back in time, up to FARTHER times its days: nobody has looked there before.
    What a server has answered and not yet written (`--log-seconds`, a minute by default) is in no look. Raises
    BadInputError where there is no log, or no batch of one.
    """
    store = open_store(place)
    if settings.log and isinstance(store, FolderStore) and not store.root.is_dir():
        raise BadInputError(f"{place}: no such folder; expected the one that `gleaner serve --log` writes under")
    found = _taken(store, window, rng, settings)
    if window.is_first and len(found.table) < settings.min_images:
        farther = window._replace(since=window.until - FARTHER * timedelta(days=settings.every_days))
        back = _taken(store, farther, rng, settings)
        if len(back.table) > len(found.table):
            found = back._replace(since=min(window.since, back.table["time"][0].as_py()))
    return found._replace(why=_nothing(store, window, found)) if not len(found.table) else found


def _taken(store: Store, window: Window, rng: np.random.Generator, settings: MonitorSettings) -> Found:
    draw = Draw(settings.max_images, rng)
    others: Counter[str] = Counter()
    for batch in read(store, window.model, window.since, window.until, columns=COLUMNS):
        mine = pc.equal(batch["version"], window.version)
        for each in batch.filter(pc.invert(mine))["version"].value_counts().to_pylist():
            others[str(each["values"])] += each["counts"]
        draw.add(batch.filter(mine))
    table = draw.drawn()
    table = SCHEMA.empty_table() if table is None else _whole(_in_order(table), window, store.uri)
    return Found(store.uri, window.since, window.until, table, draw.seen, others=dict(others))


def _in_order(table: pa.Table) -> pa.Table:
    """The rows in the order of time. In pieces: all at once would take six times the memory of the table."""
    order = pc.sort_indices(table["time"])
    whole = table.combine_chunks()
    return pa.concat_tables([whole.take(order[start : start + PIECE]) for start in range(0, len(whole), PIECE)])


def _whole(table: pa.Table, window: Window, log: str) -> pa.Table:
    """The rows with the columns that a log has not; BadInputError where they are not of this release's classes."""
    p = np.concatenate([np.asarray(chunk.flatten()) for chunk in table["probabilities"].chunks])
    if len(p) != len(table) * window.classes:
        raise BadInputError(
            f"{log}: {len(table)} answers of {window.version} hold {len(p)} probabilities; expected {window.classes} "
            "each, as the release has classes; this is another server's log"
        )
    columns = {name: table[name] for name in table.column_names}
    columns["where"] = pa.nulls(len(table), pa.string())
    columns["entropy"] = pa.array(entropy(p.reshape(-1, window.classes)).astype(np.float32))
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _nothing(store: Store, window: Window, found: Found) -> str:
    """Why a log says nothing of a version."""
    when = f"from {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"
    if found.others:
        versions = ", ".join(f"{version} ({count:,})" for version, count in sorted(found.others.items()))
        return (
            f"all answers that {store.uri} holds {when} are of other releases: {versions}; none is of "
            f"{window.version} yet"
        )
    models = {key.partition("/")[0] for key in (stat.key for stat in islice(store.list(), 1000)) if "/" in key}
    if models - {window.model}:
        return f"the log {store.uri} holds answers of {', '.join(sorted(models))}, none of {window.model} {when}"
    return f"the log {store.uri} holds no answers {when}: `gleaner serve --log` writes them, once somebody asks"
