"""Plan an ingest: list its source once, for any number of workers."""

from pathlib import Path

from components.common.files import write_json
from components.ingest.plan.work import planned
from components.ingest.settings import IngestSettings


def run(source: str, source_version: str, name: str, store: str, settings: IngestSettings, parts: Path) -> None:
    """List the source once, and cut it into ranges of parts that `workers` tasks pack side by side."""
    write_json(parts, planned(source, name, store, settings, parts.parent))
