"""Pack a range of a plan's parts."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from components.common.cli import progress
from components.common.files import write_text
from components.common.ranges import in_range, split_range
from components.ingest.pack.packing import pack_part, result_key
from components.ingest.plan.work import Work, opened
from components.ingest.reading.pool import Limits, Reading
from components.ingest.settings import IngestSettings

LINES = 50  # of progress in a log, at most


def run(source: str, name: str, store: str, parts: str, settings: IngestSettings, packed: Path) -> None:
    """Pack a range of a plan's parts, `key/first:last`, into shards in the store."""
    key, numbers = split_range(parts)
    with opened(source, name, store, settings, key, packed.parent) as work:
        pack(work, in_range(numbers, len(work.plan.parts)), settings)
        write_text(packed, parts)


def pack(work: Work, numbers: Iterable[int], settings: IngestSettings) -> None:
    """Pack those of the parts that nobody has packed yet."""
    left = [number for number in numbers if not _is_packed(work, number)]
    files = (one for number in left for one in packing(work, number, settings))
    total = sum(work.plan.parts[number] for number in left)
    for _ in progress(files, total, "checking images", every=max(1, -(-total // LINES))):
        pass


def packing(work: Work, number: int, settings: IngestSettings) -> Iterator[int]:
    limits = Limits(settings.max_pixels, settings.max_seconds, settings.max_memory)
    reading = Reading(work.plan.store, settings.mode, limits, work.known, work.forgotten)
    return pack_part(work, number, reading, settings.processes, settings.shard_size)


def _is_packed(work: Work, number: int) -> bool:
    return next(iter(work.store.list(result_key(work, number))), None) is not None
