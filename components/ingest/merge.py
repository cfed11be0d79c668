"""Joining the parts of a plan, and the version that it builds on, to a new version of the dataset."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.files import new_folder, write_text
from components.common.storage import Store
from components.ingest.base import Base
from components.ingest.drift import profile
from components.ingest.duplicates import find_pairs
from components.ingest.gallery import Gallery
from components.ingest.groups import form_groups
from components.ingest.known import KnownIds
from components.ingest.layout import Version, settle, write_version
from components.ingest.ledger import Ledger
from components.ingest.packing import Part
from components.ingest.planning import Plan
from components.ingest.publish import profile_before, publish, write_dataset
from components.ingest.quality import REFUSED, as_json, examine, stop_at
from components.ingest.report import report_html
from components.ingest.settings import IngestSettings


class Work(NamedTuple):
    """What planning, packing and merging have in common."""

    plan: Plan
    base: Base
    known: KnownIds
    store: Store
    scratch: Path


class Merged(NamedTuple):
    version: Version
    refused: int
    duplicates: int


def merge(source: str, work: Work, parts: Iterator[Part], settings: IngestSettings, dataset: Path, report: Path) -> Merged:
    """Write the dataset and its report, and publish it; raises BadInputError at a gate, before anything of the version is visible."""
    base, store = work.base, work.store
    with closing(Ledger(work.scratch)) as ledger:
        version = _joined(source, work, parts, settings, ledger)
        now = profile(ledger)
        findings = examine(ledger, now, profile_before(base, version.id, store))
        with closing(Gallery(ledger, store)) as gallery:
            html = report_html(version, ledger, work.plan, findings, gallery)
        write_text(report, html)
        stop_at(settings.gates, findings, report)
        with new_folder(dataset) as folder:
            write_dataset(folder, version, as_json(version.id, ledger, now, findings), html)
            publish(folder, version, ledger, work.plan.store.startswith("s3://"), base, store)
        return Merged(version, ledger.count(REFUSED), findings["exact_duplicates"].count)


def _joined(source: str, work: Work, parts: Iterator[Part], settings: IngestSettings, ledger: Ledger) -> Version:
    ledger.brought = work.plan.brought
    ledger.add_base(work.base, work.known)
    for part in parts:
        ledger.add_part(part)
    count = ledger.join()
    if not count:
        key, reason = next(ledger.rows(f"SELECT key, reason FROM {REFUSED} ORDER BY key, reason"))
        raise BadInputError(f"{source}: none of its {work.plan.files} images can be read; {key}: {reason}")
    thumbnails = work.scratch / "thumbnails"
    ledger.add_looks(work.store, thumbnails)
    form_groups(ledger, find_pairs(thumbnails, count, ledger.fresh(), work.scratch))
    thumbnails.unlink()
    moved = work.scratch / "moved"
    moved.mkdir()
    settle(ledger, work.base, work.store, moved, settings.shard_size)
    return write_version(ledger, settings.mode, work.base, work.scratch / "index.parquet")
