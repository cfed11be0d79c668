"""Merge the packed parts of a plan with the previous version into a new version of the dataset."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from components.common.data.kinds import remedy
from components.common.errors import BadInputError
from components.common.files import new_folder, write_text
from components.ingest.duplicates.search import find_pairs
from components.ingest.pack.packing import Part
from components.ingest.plan.work import Work
from components.ingest.quality.drift import profile, profile_before
from components.ingest.quality.gallery import Gallery
from components.ingest.quality.quality import REFUSED, Finding, as_json, examine, stop_at
from components.ingest.quality.remarks import losses, warnings
from components.ingest.quality.report import report_html
from components.ingest.settings import IngestSettings
from components.ingest.version.groups import form_groups, note_parts
from components.ingest.version.inventory import Inventory
from components.ingest.version.layout import Version, settle, write_version
from components.ingest.version.publish import publish, write_dataset


class Merged(NamedTuple):
    version: Version
    refused: int
    findings: dict[str, Finding]


def merge(
    source: str, work: Work, parts: Iterator[Part], settings: IngestSettings, dataset: Path, report: Path
) -> Merged:
    """Write the dataset and its report, and publish it; raises BadInputError at a gate, before anything of the version
    is visible.
    """
    previous = work.previous
    store = work.store
    with closing(Inventory(work.scratch)) as inventory:
        version = _joined(source, work, parts, settings, inventory)
        now = profile(inventory)
        findings = examine(inventory, now, profile_before(previous, version.id, store))
        for line in [*warnings(work.plan, inventory), *losses(inventory, findings)]:
            print(f"warning: {line}", flush=True)
        with closing(Gallery(inventory, store)) as gallery:
            html = report_html(version, inventory, work.plan, findings, gallery)
        write_text(report, html)
        stop_at(settings.gates, findings, report)
        with new_folder(dataset) as folder:
            write_dataset(folder, version, as_json(version.id, inventory, now, findings), html)
            publish(folder, version, inventory, work.plan.store.startswith("s3://"), previous, store)
        return Merged(version, inventory.count(REFUSED), findings)


def _joined(source: str, work: Work, parts: Iterator[Part], settings: IngestSettings, inventory: Inventory) -> Version:
    inventory.brought = work.plan.brought
    inventory.empty = work.plan.empty
    inventory.attributes = work.plan.attributes
    inventory.add_previous(work.previous, work.known)
    for part in parts:
        inventory.add_part(part)
    inventory.add_contradictions(work.plan.contradicted)
    count = inventory.join()
    if not count:
        raise BadInputError(f"{source}: {_nothing(inventory)}")
    thumbnails = work.scratch / "thumbnails"
    inventory.add_thumbnails(work.store, thumbnails)
    form_groups(inventory, find_pairs(thumbnails, count, inventory.fresh(), work.scratch))
    note_parts(inventory, thumbnails)
    thumbnails.unlink()
    moved = work.scratch / "moved"
    moved.mkdir()
    settle(inventory, work.previous, work.store, moved, settings.shard_size)
    return write_version(inventory, settings.mode, work.previous, work.scratch / "index.parquet")


def _nothing(inventory: Inventory) -> str:
    """Why a source gives no image at all, by the first file that might have been one."""
    images = inventory.count("files WHERE other IS NULL")
    why = "SELECT key, COALESCE(reason, passed || ', which is not read'), passed FROM files WHERE other IS NULL"
    first = next(inventory.rows(f"{why} ORDER BY key"), None)
    if first is None:
        return f"holds no images among {inventory.count('files'):,} files"
    key, reason, passed = first
    return f"none of its {images:,} images can be read; {key}: {reason}{f': {remedy(passed)}' if passed else ''}"
