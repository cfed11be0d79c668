"""Joining the parts of a plan, and the version that it builds on, to a new version of the dataset."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.files import new_folder, write_text
from components.common.storage import Store
from components.ingest.base import Base
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


class Merged(NamedTuple):
    version: Version
    refused: int
    duplicates: int


def merge(source: str, plan: Plan, parts: Iterator[Part], base: Base, known: KnownIds, store: Store, settings: IngestSettings,
          dataset: Path, report: Path, scratch: Path) -> Merged:
    """Write the dataset and its report, and publish it; raises BadInputError at a gate, before anything of the version is visible."""
    with closing(Ledger(scratch)) as ledger:
        version = _joined(source, plan, parts, base, known, store, settings, ledger, scratch)
        findings = examine(ledger, profile_before(base, version.id, store))
        html = report_html(version, ledger, plan, findings, Gallery(ledger, store))
        write_text(report, html)
        stop_at(settings.gates, findings, report)
        with new_folder(dataset) as folder:
            write_dataset(folder, version, as_json(version.id, ledger, findings), html)
            publish(folder, version, ledger, plan.store.startswith("s3://"), base, store)
        return Merged(version, ledger.count(REFUSED), findings["exact_duplicates"].count)


def _joined(source: str, plan: Plan, parts: Iterator[Part], base: Base, known: KnownIds, store: Store, settings: IngestSettings,
            ledger: Ledger, scratch: Path) -> Version:
    ledger.brought = plan.brought
    ledger.add_base(base, known)
    for part in parts:
        ledger.add_part(part)
    count = ledger.join()
    if not count:
        key, reason = next(ledger.rows(f"SELECT key, reason FROM {REFUSED} ORDER BY key, reason"))  # noqa: S608
        raise BadInputError(f"{source}: none of its {plan.files} images can be read; {key}: {reason}")
    thumbnails = scratch / "thumbnails"
    ledger.add_looks(store, thumbnails)
    form_groups(ledger, find_pairs(thumbnails, count, ledger.fresh(), scratch))
    thumbnails.unlink()
    moved = scratch / "moved"
    moved.mkdir()
    settle(ledger, base.name, base, store, moved, settings.shard_size)
    return write_version(ledger, base.name, settings.mode, base, scratch / "index.parquet")
