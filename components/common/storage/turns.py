"""Keep a collector of unreferenced objects and concurrent writers of a store from harming each other.

A writer may go on with objects that nothing names yet and that are old: an ingest takes the shards of a killed one.

    writer (`announce`)          collector (`collection`)
    1. writes a mark of its own  1. writes FLAG
       beside what it may use    2. lists the store, marks included, and reads what names objects
    2. looks for FLAG; while it  3. removes what nothing names, is old and has no young mark beside it
       is there, waits, and then 4. removes FLAG
       begins again
    3. uses what lies there

Each writes before it looks, and a store shows a write to everyone who looks later. So where the mark was written
before FLAG, the collector lists it and leaves alone what stands beside it; where it was written later, the writer sees
FLAG, and waits until nothing is removed any more. Neither depends on the other's clock, nor on deletes with a
condition, which S3 does not have everywhere.

Nothing is held that outlives a killed process. A mark ages. A FLAG that nobody has renewed for LEASE seconds belongs to
a collector that was killed, and the next writer or collector removes it. A collector that only slept finds out: it
renews FLAG before each batch of removals, on the condition that it is still its own, and ends where it is not. A batch
that takes longer than half of LEASE is given up, so that what is on its way arrives before anyone takes FLAG for dead.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

from components.common.errors import BadInputError, FailedError
from components.common.storage.base import Stat

if TYPE_CHECKING:
    from components.common.storage import Store

FLAG = "collecting.json"
LEASE = 600.0  # seconds after which a FLAG that was not renewed is a killed collector's
RENEWAL = 60.0  # seconds between renewals while nothing is removed
SKEW = 300.0  # seconds between this machine's clock and the store's, above which ages cannot be trusted
PAUSE = 1.0  # seconds between two looks at FLAG
BATCH = 256  # objects removed after one renewal
THREADS = 8


def announce(store: "Store", mark: str, data: bytes = b"{}\n") -> None:
    """Write the object `mark`, so that what stands beside it counts as in use, and return when no collector is at work
    that may not have seen it.
    """
    while True:
        store.write(mark, data)
        flag = _flag(store)
        if flag is None:
            return
        if _is_dead(store, flag):
            store.delete(FLAG)
            return
        print(f"{store.uri}: waiting until `gleaner store gc` has ended", file=sys.stderr, flush=True)
        while flag is not None and not _is_dead(store, flag):
            time.sleep(PAUSE)
            flag = _flag(store)


class Collection:
    """A collector's hold on a store, for as long as nobody took its FLAG for dead."""

    def __init__(self, store: "Store") -> None:
        self.store = store
        self._renewed = 0.0
        self._etag: str | None = None

    def renew(self) -> None:
        """Write FLAG anew; FailedError where it is no longer this collection's."""
        data = json.dumps({"format": 1, "by": uuid4().hex}).encode()
        began = time.monotonic()
        won = self.store.replace_if_unchanged(FLAG, data, self._etag)
        flag = self.store.stat(FLAG) if won else None
        # looked at before it is read: what is read is the one that was looked at, or a later one
        if flag is None or self.store.read(FLAG) != data:
            raise FailedError(
                f"{self.store.uri}/{FLAG}: another process has it, or took this one for dead; run gleaner store gc "
                "again"
            )
        self._etag, self._renewed = flag.etag, began

    def tick(self) -> None:
        """Renew where it is time: to be called again and again by whatever takes long."""
        if time.monotonic() - self._renewed > RENEWAL:
            self.renew()

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, in any order; all are gone when it returns."""
        rest = iter(keys)
        with ThreadPoolExecutor(THREADS) as threads:
            while batch := list(islice(rest, BATCH)):
                self.renew()
                for _ in threads.map(self._delete, batch):
                    pass

    def _delete(self, key: str) -> None:
        if time.monotonic() - self._renewed > LEASE / 2:
            raise FailedError(f"{self.store.uri}: removes too slowly; run gleaner store gc again later")
        self.store.delete(key)

    def begin(self) -> None:
        flag = self.store.stat(FLAG)
        if flag is not None and not _is_dead(self.store, flag):
            since = time.strftime("%H:%M:%S UTC", time.gmtime(flag.modified))
            raise FailedError(
                f"{self.store.uri}: another `gleaner store gc --delete` is at work, last seen {since}; wait for its "
                f"end, or for {LEASE / 60:g} minutes where it was killed"
            )
        self._etag = flag.etag if flag else None
        self.renew()

    def end(self) -> None:
        self.renew()
        self.store.delete(FLAG)


@contextmanager
def collection(store: "Store") -> Iterator[Collection]:
    """Be the only collector of a store for the block; FailedError where another is at work."""
    one = Collection(store)
    one.begin()
    try:
        flag = store.stat(FLAG)
        apart = abs(flag.modified - store.now()) if flag else 0.0
        if apart > SKEW:
            raise BadInputError(
                f"{store.uri}: this machine's clock and the store's differ by {apart:.0f} s, so ages cannot be "
                "trusted; set the clock (NTP)"
            )
        yield one
    finally:
        one.end()


def _flag(store: "Store") -> Stat | None:
    """One request, where `stat` of an absent object takes two."""
    return next((stat for stat in store.list(FLAG) if stat.key == FLAG), None)


def _is_dead(store: "Store", flag: Stat) -> bool:
    return store.now() - flag.modified > LEASE
