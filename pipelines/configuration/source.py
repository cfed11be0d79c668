"""The state of a source, as the setting `source_version` names it."""

from pathlib import Path

from components.common.files import sha256_json
from components.common.storage import open_store

SINGLE_FILES = (".tar", ".tar.gz", ".tgz", ".zip", ".csv", ".parquet")  # sources that are one object


def source_fingerprint(source: str) -> str:
    """Digest of the names, sizes and times (on S3: etags) of a source, so that a changed one is ingested again.

    An archive or a table counts as one file. Empty where there is no such source: ingest says that better.
    """
    path = Path(source).expanduser()
    if not source.startswith("s3://") and path.is_file():
        return sha256_json([path.name, path.stat().st_size, path.stat().st_mtime_ns])
    parent, _, name = source.rpartition("/")
    alone = (
        open_store(parent).stat(name) if parent.startswith("s3://") and name.lower().endswith(SINGLE_FILES) else None
    )
    if alone is not None:
        return sha256_json([alone.key, alone.size, alone.etag])
    if not source.startswith("s3://") and not path.is_dir():
        return ""
    return sha256_json(sorted([entry.key, entry.size, entry.etag] for entry in open_store(source).list()))
