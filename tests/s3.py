"""A real S3 server for the tests: SeaweedFS, as `gleaner run` starts it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.local.objectstore import Server as S3Server
from pipelines.local.seaweedfs import clean, credentials, start

__all__ = ["S3Server", "serve"]


@contextmanager
def serve(folder: Path) -> Iterator[S3Server]:
    """Start SeaweedFS with its data under `folder`, wait until it answers, and end that process afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    process, endpoint, ports = start(folder)
    try:
        yield S3Server(endpoint, *credentials(folder))
    finally:
        process.kill()  # its data are thrown away, and an orderly end takes a second
        process.wait()
        clean(folder, ports)
