"""Ingest: a folder or prefix of images becomes a dataset that later stages may trust."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.common.cli import Metadata
from components.common.errors import BadInputError
from components.common.forgotten import forgotten_ids
from components.common.ranges import split_range
from components.ingest.merge import Merged, merge
from components.ingest.pack.packing import Part, drop_forgotten, read_part
from components.ingest.pack.stage import pack, packing
from components.ingest.plan.made import note
from components.ingest.plan.work import Work, opened
from components.ingest.quality.remarks import kinds, names
from components.ingest.settings import IngestSettings
from components.ingest.version.publish import clean_up


def run(
    source: str,
    name: str,
    store: str,
    settings: IngestSettings,
    dataset: Path,
    report: Path,
    packed: str = "",
) -> Metadata:
    """Check, split and pack the images of a folder, s3:// prefix, archive or table into content-addressed shards in the
    store.

    `packed` names what `python -m components.plan` and `…ingest.pack` have prepared in the store; without it, or where
    it is gone, all is done here.
    """
    dataset.parent.mkdir(parents=True, exist_ok=True)
    key, _ = split_range(json.loads(packed)[0]) if packed else ("", "")
    with opened(source, name, store, settings, key, dataset.parent) as work, _explained(source, work):
        pack(work, range(len(work.plan.parts)), settings)
        merged = merge(source, work, _parts(work, settings), settings, dataset, report)
        note(name, key, work.plan.key, merged.version.id, work.store)
        clean_up(name, work.plan.key, work.store, settings)
    return {"dataset": _figures(merged)}


@contextmanager
def _explained(source: str, work: Work) -> Iterator[None]:
    """Say why shards or parts are gone that `gleaner forget` has removed meanwhile."""
    try:
        yield
    except (OSError, KeyError, BadInputError):
        if forgotten_ids(work.store) <= work.forgotten:
            raise
        raise BadInputError(
            f"{source}: images were forgotten while it was ingested; run gleaner forget again, which takes out what "
            "came in meanwhile, and then this"
        ) from None


def _parts(work: Work, settings: IngestSettings) -> Iterator[Part]:
    """Every part in its order; one that another ingest of the same plan has cleaned away meanwhile is packed again, and
    so is one that holds an image which was forgotten since.
    """
    for number in range(len(work.plan.parts)):
        part = read_part(work, number)
        while part is None or drop_forgotten(work, number, part):
            for _ in packing(work, number, settings):
                pass
            part = read_part(work, number)
        yield part
        part.result.unlink()


def _figures(merged: Merged) -> dict[str, object]:
    version = merged.version
    passed = merged.findings["passed_over"]
    missing = merged.findings["missing_classes"]
    return {
        "images": sum(version.counts.values()),
        **version.counts,
        "refused": merged.refused,
        "passed_over": passed.count,
        "passed_over_kinds": kinds(passed),
        "duplicates": merged.findings["exact_duplicates"].count,
        "classes": len(version.classes),
        "missing_classes": names(missing),
        "id": version.id,
    }
