"""Ingest: a folder or prefix of images becomes a dataset that later stages may trust."""

import re
import tempfile
from contextlib import closing
from pathlib import Path

from components.common.artifacts import Dataset
from components.common.cli import Metadata, progress
from components.common.errors import BadInputError
from components.common.files import new_folder, write_json, write_text
from components.common.storage import open_store
from components.ingest.gallery import Gallery
from components.ingest.groups import group
from components.ingest.labels import case_warnings, parse_csv, read_csv
from components.ingest.looks import Album
from components.ingest.pack import Contents, build_dataset, pack, publish
from components.ingest.pool import Limits, check_all
from components.ingest.quality import as_json, examine, stop_at
from components.ingest.report import report_html
from components.ingest.settings import IngestSettings
from components.ingest.sources import Listing, list_source

LINES = 50  # of progress in a log, at most


def run(source: str, source_version: str, name: str, store: str, settings: IngestSettings, dataset: Path, report: Path) -> Metadata:
    """Check, split and pack the images of a folder, s3:// prefix, archive or table into content-addressed shards in the store.

    `source_version` is only a name for the state of the source: a new one makes the pipeline look again.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise BadInputError(f"name {name!r}: expected letters, digits, '.', '_' and '-', since it becomes part of an object's name")
    dataset.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ingest-", dir=dataset.parent) as scratch:
        listing = _labelled(source, settings.labels, Path(scratch))
        total, limits = len(listing.images), Limits(settings.max_pixels, settings.max_seconds, settings.max_memory)
        checked = check_all(listing.store, listing.images, settings.mode, settings.workers, limits)
        with closing(Album(Path(scratch) / "looks")) as album:
            packed = pack(progress(zip(listing.images, checked, strict=True), total, "checking images", every=-(-total // LINES)),
                          listing.brought, _new(scratch, "packed"), settings.shard_size, album)
            packed.refused = sorted([*packed.refused, *listing.refused])
            if not packed.images:
                key, reason = packed.refused[0]
                raise BadInputError(f"{source}: none of its {total} images can be read; {key}: {reason}")
            contents = group(packed, album, listing.brought, _new(scratch, "grouped"), settings.shard_size)
            contrast = dict(zip(packed.images, album.contrast, strict=True))
        made = build_dataset(contents, name, settings.mode)
        findings = examine(made, contents, listing, contrast)
        html = report_html(made, contents, listing, findings, Gallery(packed))
        write_text(report, html)
        stop_at(settings.gates, findings, report)
        with new_folder(dataset) as folder:
            write_json(folder / "quality.json", as_json(made, findings))
            place = open_store(store)
            place.clean_uploads(f"datasets/{name}/", settings.unfinished_hours)
            publish(made, [shard for shards in contents.shards.values() for shard in shards], folder, place)
            write_text(folder / "report.html", html)
    return {"dataset": _figures(made, contents)}


def _new(parent: str, name: str) -> Path:
    folder = Path(parent) / name
    folder.mkdir()
    return folder


def _labelled(source: str, labels: str, scratch: Path) -> Listing:
    """The listing of the source, its images labelled as the settings say."""
    if labels == "folders":
        listing = list_source(source, scratch)
    elif labels == "none":
        listing = list_source(source, scratch)
        listing = listing._replace(images=[file._replace(label=None) for file in listing.images])
    else:
        data, inside = read_csv(labels, source)
        listing = list_source(source, scratch, label_csv=inside)
        label_of, warnings = parse_csv(data, labels, listing.keys, source)
        listing = listing._replace(images=[file._replace(label=label_of.get(file.key)) for file in listing.images],
                                   warnings=listing.warnings + warnings)
    return listing._replace(warnings=listing.warnings + case_warnings(file.label for file in listing.images))


def _figures(dataset: Dataset, contents: Contents) -> dict[str, object]:
    copies = sum(len(image.copies) - 1 for image in contents.duplicates)
    return {"images": len(dataset.index), **dataset.counts(), "refused": len(contents.refused), "duplicates": copies,
            "classes": len(dataset.classes), "id": dataset.id}
