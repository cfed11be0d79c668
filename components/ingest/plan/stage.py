"""Plan an ingest: list its source once, for any number of workers."""

from pathlib import Path

from components.common.files import write_json
from components.ingest.plan.planning import cut
from components.ingest.plan.work import opened
from components.ingest.settings import IngestSettings


def run(source: str, source_version: str, name: str, store: str, settings: IngestSettings, parts: Path) -> None:
    """List the source once, and cut it into ranges of parts that `workers` tasks pack side by side."""
    with opened(source, name, store, settings, "", parts.parent) as work:
        write_json(parts, cut(work.plan, settings.workers))
