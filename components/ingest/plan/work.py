"""Opening an ingest: the version before it, its plan, and a scratch folder."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.storage import Store, announce, open_store
from components.ingest.plan.planning import Plan, fetch_plan, listing_key, make_plan, mark_key
from components.ingest.previous.ids import KnownIds
from components.ingest.previous.version import PreviousVersion, load_previous
from components.ingest.reading.pool import warm_up
from components.ingest.settings import IngestSettings


class Work(NamedTuple):
    """What planning, packing and merging have in common."""

    plan: Plan
    previous: PreviousVersion
    known: KnownIds
    store: Store
    scratch: Path


@contextmanager
def opened(source: str, name: str, store: str, settings: IngestSettings, plan: str, folder: Path) -> Iterator[Work]:
    """The plan of that key, or a new one, which is kept in the store for other workers."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise BadInputError(
            f"name {name!r}: expected letters, digits, '.', '_' and '-', since it becomes part of an object's name"
        )
    warm_up()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ingest-", dir=folder) as temporary:
        scratch = Path(temporary)
        opened_store = open_store(store)
        previous = load_previous(name, opened_store, scratch)
        known = previous.known(scratch / "known", settings.mode, settings.max_pixels)
        found = fetch_plan(name, plan, opened_store, scratch)
        if found is None:
            found = make_plan(source, settings, previous, known, scratch)
        announce(opened_store, mark_key(name, found.key, settings))  # before shards of a killed ingest are relied on
        listing = listing_key(name, found.key)
        if next(opened_store.list(listing), None) is None:
            opened_store.write_if_absent(listing, found.path.read_bytes())
        yield Work(found, previous, known, opened_store, scratch)
