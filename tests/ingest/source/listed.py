"""A listing as plain values, for tests to compare."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from components.ingest.source.locations import SourceFile
from components.ingest.source.sources import list_source


class Listed(NamedTuple):
    images: list[SourceFile]
    refused: tuple[tuple[str, str], ...]
    ignored: Counter[str]
    brought: frozenset[str]
    warnings: list[str]
    empty: tuple[str, ...]  # classes
    left: int  # bytes of copies that are left in the scratch folder


def list_all(source: str, labels: str = "folders") -> Listed:
    with tempfile.TemporaryDirectory() as folder:
        listing = list_source(source, labels, Path(folder))
        left = sum(
            path.stat().st_size for path in Path(folder).rglob("*") if path.is_file() and path.name != "listing.db"
        )
        refused = tuple((file.key, file.reason) for file in listing.refusals())
        about = (listing.ignored(), listing.brought, listing.warnings, listing.empty)
        return Listed(list(listing.files()), refused, *about, left)
