"""Ingest: a folder or prefix of images becomes a dataset that later stages may trust."""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.common.cli import Metadata, progress
from components.common.errors import BadInputError
from components.common.files import write_json, write_text
from components.common.storage import open_store
from components.ingest.base import load_base
from components.ingest.merge import Merged, Work, merge
from components.ingest.packing import Part, pack_part, read_part, result_key
from components.ingest.planning import cut, fetch_plan, in_range, listing_key, make_plan, split_range
from components.ingest.pool import Limits, Reading, warm_up
from components.ingest.publish import clean_up
from components.ingest.settings import IngestSettings

LINES = 50  # of progress in a log, at most


def run(source: str, source_version: str, name: str, store: str, settings: IngestSettings, dataset: Path, report: Path,
        packed: str = "") -> Metadata:
    """Check, split and pack the images of a folder, s3:// prefix, archive or table into content-addressed shards in the store.

    `source_version` is only a name for the state of the source: a new one makes the pipeline look again. `packed` names what
    `python -m components.ingest.plan` and `…ingest.pack` have prepared in the store; without it, or where it is gone, all is done here.
    """
    dataset.parent.mkdir(parents=True, exist_ok=True)
    plan, _ = split_range(json.loads(packed)[0]) if packed else ("", "")
    with opened(source, name, store, settings, plan, dataset.parent) as work:
        pack(work, range(len(work.plan.parts)), settings)
        merged = merge(source, work, _parts(work, settings), settings, dataset, report)
        clean_up(name, work.plan.key, work.store, settings.unfinished_hours)
    return {"dataset": _figures(merged)}


def run_plan(source: str, source_version: str, name: str, store: str, settings: IngestSettings, parts: Path) -> None:
    """List the source once, and cut it into ranges of parts that `workers` tasks pack side by side."""
    with opened(source, name, store, settings, "", parts.parent) as work:
        write_json(parts, cut(work.plan, settings.workers))


def run_pack(source: str, name: str, store: str, parts: str, settings: IngestSettings, packed: Path) -> None:
    """Pack a range of a plan's parts, `plan/first:last`, into shards in the store."""
    plan, numbers = split_range(parts)
    with opened(source, name, store, settings, plan, packed.parent) as work:
        pack(work, in_range(numbers, len(work.plan.parts)), settings)
        write_text(packed, parts)


@contextmanager
def opened(source: str, name: str, store: str, settings: IngestSettings, plan: str, folder: Path) -> Iterator[Work]:
    """The plan of that key, or a new one, which is kept in the store for other workers."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise BadInputError(f"name {name!r}: expected letters, digits, '.', '_' and '-', since it becomes part of an object's name")
    warm_up()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ingest-", dir=folder) as temporary:
        scratch, place = Path(temporary), open_store(store)
        base = load_base(name, place, scratch)
        known = base.known(scratch / "known", settings.mode, settings.max_pixels)
        found = fetch_plan(name, plan, place, scratch)
        if found is None:
            found = make_plan(source, settings, base, known, scratch)
            place.write_if_absent(listing_key(name, found.key), found.path.read_bytes())
        yield Work(found, base, known, place, scratch)


def pack(work: Work, numbers: Iterable[int], settings: IngestSettings) -> None:
    """Pack those of the parts that nobody has packed yet."""
    left = [number for number in numbers if not _is_packed(work, number)]
    files = (one for number in left for one in _packing(work, number, settings))
    total = sum(work.plan.parts[number] for number in left)
    for _ in progress(files, total, "checking images", every=max(1, -(-total // LINES))):
        pass


def _packing(work: Work, number: int, settings: IngestSettings) -> Iterator[int]:
    limits = Limits(settings.max_pixels, settings.max_seconds, settings.max_memory)
    reading = Reading(work.plan.store, settings.mode, limits, work.known)
    return pack_part(work.base.name, work.plan, number, reading, settings.processes, work.store, settings.shard_size, work.scratch)


def _is_packed(work: Work, number: int) -> bool:
    return next(iter(work.store.list(result_key(work.base.name, work.plan.key, number))), None) is not None


def _parts(work: Work, settings: IngestSettings) -> Iterator[Part]:
    """Every part in its order; one that another ingest of the same plan has cleaned away meanwhile is packed again."""
    for number in range(len(work.plan.parts)):
        part = read_part(work.base.name, work.plan, number, work.store, work.scratch)
        while part is None:
            for _ in _packing(work, number, settings):
                pass
            part = read_part(work.base.name, work.plan, number, work.store, work.scratch)
        yield part
        part.result.unlink()


def _figures(merged: Merged) -> dict[str, object]:
    version = merged.version
    return {"images": sum(version.counts.values()), **version.counts, "refused": merged.refused, "duplicates": merged.duplicates,
            "classes": len(version.classes), "id": version.id}
