"""Sweep what nothing names in a store, in an order in which any number of removals leaves a store that can be read.

The dataset.json of a version goes first; then its other files; then plans, whose parts name shards to an ingest that
goes on; then shards and thumbnails. So whatever still names something names what is there, also where the process is
killed between two removals.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import groupby, islice
from typing import NamedTuple

from components.common.storage import Collection, Store
from pipelines.collecting.contents import Contents, Thing
from pipelines.collecting.naming import ABOUT, is_in_flight, name_all

DAY = 86400.0  # seconds
THINGS = 64  # removed, and told, at a time
ORDER = ("version", "plan", "shard", "thumbnails", "candidates", "embeddings", "checkpoint", "job")
WHY = {
    "plan": "its ingest did not end",
    "shard": "no version names it",
    "thumbnails": "no version names it",
    "candidates": "no labels name it",
    "embeddings": "joined long ago",
    "checkpoint": "its training did not go on",
    "job": "its TrainJob did not end",
}
REWRITTEN = "checkpoint"  # the kind that is written anew without an announcement


class Found(NamedTuple):
    """A thing that may go."""

    thing: Thing
    why: str
    keys: list[str]


class Sweep:
    """One look through a store. `young` and `held` say, once `found` is through, what nothing names and yet stays."""

    def __init__(self, store: Store, days: float, versions: int | None, runs: set[str]) -> None:
        """days: what is younger stays, whoever names it. versions, runs: as in `name_all`."""
        self.store = store
        self.days = days
        self.versions = versions
        self.runs = runs
        self.now = store.now()
        self.young = 0
        self.held: dict[str, int] = {}  # place with an ingest or a training in flight -> unnamed things in it

    def found(self, tick: Callable[[], None] = lambda: None) -> Iterator[Found]:
        """What may go, in the order in which to remove it. tick: called again and again while the store is read."""
        before = self.now - self.days * DAY
        with closing(Contents(self.store, tick)) as contents:
            name_all(contents, self.store, before, self.versions, self.runs, tick)
            busy = {name for name in contents.owners("plan") if is_in_flight(contents, name, before)}
            training = {one.owner for one in contents.things("checkpoint") if one.modified >= before}
            for kind in ORDER:
                for thing in contents.unnamed(kind):
                    tick()
                    if thing.modified >= before:
                        self.young += 1
                    elif kind in ("version", "shard", "thumbnails") and thing.owner in busy:
                        self._hold(f"datasets/{thing.owner}")
                    elif kind == "job" and thing.owner in training:  # this may be its job
                        self._hold(f"jobs/{thing.owner}")
                    else:
                        keys = contents.keys(thing.key)
                        yield Found(thing, WHY.get(kind) or _why_version(keys), keys)

    def _hold(self, place: str) -> None:
        self.held[place] = self.held.get(place, 0) + 1

    def remove(self, collection: Collection) -> Iterator[Found]:
        """Remove it, and yield what is gone."""
        for kind, some in groupby(self.found(collection.tick), lambda one: one.thing.kind):
            while batch := list(islice(some, THINGS)):
                keys = [key for one in batch for key in one.keys]
                abouts = [key for key in keys if kind == "version" and key.endswith(f"/{ABOUT}")]
                collection.delete(abouts)
                collection.delete(key for key in keys if kind != REWRITTEN or self._is_still_old(key))
                yield from batch

    def _is_still_old(self, key: str) -> bool:
        stat = next((stat for stat in self.store.list(key) if stat.key == key), None)
        return stat is not None and stat.modified < self.now - self.days * DAY


def _why_version(keys: list[str]) -> str:
    is_whole = any(key.endswith(f"/{ABOUT}") for key in keys)
    return "superseded, and not among those to keep" if is_whole else "its ingest did not end"
