"""Opening an ingest: the version before it, its plan, and a scratch folder."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.forgotten import forgotten_ids
from components.common.ranges import cut
from components.common.storage import Store, announce, open_store
from components.ingest.plan.known import KnownFiles
from components.ingest.plan.made import hand_on, plan_of
from components.ingest.plan.planning import Plan, fetch_plan, keep_plan, make_plan, mark_key
from components.ingest.previous.ids import KnownIds
from components.ingest.previous.version import PreviousVersion, load_previous
from components.ingest.reading.pool import warm_up
from components.ingest.settings import IngestSettings


class Work(NamedTuple):
    """What packing and merging have in common."""

    plan: Plan
    previous: PreviousVersion
    known: KnownIds
    files: KnownFiles
    forgotten: frozenset[str]  # ids that must not be taken in
    store: Store
    scratch: Path


@contextmanager
def opened(source: str, name: str, store: str, settings: IngestSettings, key: str, folder: Path) -> Iterator[Work]:
    """The plan that the key was handed on for, or a new one, which is kept in the store for other workers."""
    with _scratch(name, folder) as scratch:
        warm_up()
        opened_store = open_store(store)
        forgotten = forgotten_ids(opened_store)  # before what is relied on: one that comes later is seen at the end
        previous = load_previous(name, opened_store, scratch)
        known = previous.known(scratch / "known", settings.mode, settings.max_pixels)
        found = fetch_plan(name, plan_of(key), opened_store, scratch)
        if found is None:
            found = make_plan(source, settings, scratch)
        announce(opened_store, mark_key(name, found.key, settings))  # before shards of a killed ingest are relied on
        keep_plan(name, found, opened_store)
        with closing(KnownFiles(scratch / "known.db", previous, known)) as files:
            yield Work(found, previous, known, files, forgotten, opened_store, scratch)


class Listed(NamedTuple):
    """A source, listed."""

    ranges: list[str]  # `key/first:last`, for each of at most `workers` tasks
    contents: str  # digest of names, sizes, labels and texts; not of where the source lies, nor of times


def planned(source: str, name: str, store: str, settings: IngestSettings, folder: Path) -> Listed:
    """List the source and cut it into ranges for workers.

    The plan is kept in the store for them, but where a version has been made of it: then a cache has what they did,
    nobody would remove the plan, and a collector would think that an ingest goes on. A worker that the cache does not
    have makes the plan itself. No mark is left here: nothing that lies in the store is relied on yet.
    """
    with _scratch(name, folder) as scratch:
        opened_store = open_store(store)
        plan = make_plan(source, settings, scratch)
        key, is_made = hand_on(name, plan.key, opened_store)
        if not is_made:
            keep_plan(name, plan, opened_store)
        return Listed(cut(key, len(plan.parts), settings.workers), plan.contents)


@contextmanager
def _scratch(name: str, folder: Path) -> Iterator[Path]:
    """A temporary folder in `folder`, for an ingest to a dataset of that name; BadInputError where none may be called
    so.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise BadInputError(
            f"name {name!r}: expected letters, digits, '.', '_' and '-', since it becomes part of an object's name"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ingest-", dir=folder) as temporary:
        yield Path(temporary)
