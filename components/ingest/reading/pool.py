"""Check images in worker processes: an image that crashes its process is refused, and results keep their order."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing import forkserver
from typing import NamedTuple

from components.common.confined import Limits, processes
from components.common.crew import Mark, handle
from components.ingest.previous.ids import NOTHING, KnownIds
from components.ingest.reading.check import Checked, Fetched, check, fetch
from components.ingest.source.locations import SourceFile, shown

CHUNK_BYTES, CHUNK_FILES = 4 << 20, 64  # of source files, and of results, that one process handles at a time
FETCHES = 8  # requests that one process has under way

processes.set_forkserver_preload([__name__])


class Reading(NamedTuple):
    """What is read, and how: the job of a crew of processes (components/common/crew.py)."""

    source: str  # store of keys without a location of their own
    mode: str  # RGB or L
    limits: Limits
    known: KnownIds = NOTHING
    forgotten: frozenset[str] = frozenset()  # ids that must not be taken in

    def begin(self) -> None:
        """Nothing: this module is all that a process needs."""

    def work(self, files: list[SourceFile], mark: Mark) -> list[Checked]:
        """The first results: of all files, or as many as fill a chunk. From far, the next files are fetched while one
        is decoded.
        """
        done: list[Checked] = []
        size = 0
        for position, (file, fetched) in enumerate(zip(files, fetch_all(files, mark, self.source), strict=True)):
            with mark.at(position, self.limits.seconds):
                done.append(check(file, fetched, self.mode, self.limits.max_pixels, self.known, self.forgotten))
            image = done[-1].image
            size += len(image.data) if image else 0
            if size >= CHUNK_BYTES:
                break
        return done

    def refused(self, file: SourceFile, reason: str) -> Checked:
        return Checked(shown(file.key), "", None, reason)


def warm_up() -> None:
    """Start the server that forks decoding processes, so that it imports what they need while the source is listed."""
    forkserver.ensure_running()


def check_all(files: Iterable[SourceFile], reading: Reading, workers: int) -> Iterator[Checked]:
    """Check every file of a source; results come in the order of `files`, whatever the number of workers and of the
    dead.
    """
    return handle(_chunks(files), reading, workers)


def fetch_all(files: list[SourceFile], mark: Mark, source: str) -> Iterator[Fetched]:
    """What the files hold, in their order; several at a time where each costs a round trip."""
    if not any((file.location.store if file.location else source).startswith("s3://") for file in files):
        for position, file in enumerate(files):
            mark.reading(position)
            yield fetch(source, file)
        return
    mark.reading(0)
    with ThreadPoolExecutor(FETCHES) as threads:
        try:
            yield from threads.map(partial(fetch, source), files)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _chunks(files: Iterable[SourceFile]) -> Iterator[list[SourceFile]]:
    chunk: list[SourceFile] = []
    size = 0
    for file in files:
        chunk.append(file)
        size += file.size
        if size >= CHUNK_BYTES or len(chunk) >= CHUNK_FILES:
            yield chunk
            chunk = []
            size = 0
    if chunk:
        yield chunk
