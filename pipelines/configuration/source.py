"""The state of what a run reads from outside, for the cache of `gleaner run`: its source, and what people said."""

from pathlib import Path

from components.common.alarms import newest_alarm
from components.common.files import sha256_json
from components.common.storage import file_at, open_store
from components.plan.settings import RunSettings

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


def with_state(run: RunSettings) -> RunSettings:
    """The same run, with the state of its source, its labels, its wanted images and the watch over its model in the
    settings that name them.

    `plan` reads them as they then are; what stands here tells the cache only whether to ask it again.
    """
    seen = {
        "labels_version": _answers_fingerprint(run),
        "candidates_version": _file_fingerprint(run.sample.candidates_from),
        "draws": sorted(entry.key for entry in open_store(run.store).list(f"draws/{run.name}/")),
    }
    changes = {
        "source_version": run.source_version or source_fingerprint(run.source),
        "sample": run.sample.model_copy(update=seen),
        "evaluate": run.evaluate.model_copy(update={"present": newest_alarm(open_store(run.store), run.name)}),
    }
    return run.model_copy(update=changes)


def _answers_fingerprint(run: RunSettings) -> str:
    """Of the file of answers, or of the batches and renamings in the label store, which are only ever added."""
    if run.sample.label_access != "store":
        return _file_fingerprint(run.sample.labels_file)
    root = f"labels/{run.name}"
    keys = (entry.key.removeprefix(f"{root}/") for entry in open_store(run.store).list(f"{root}/"))
    said = sorted(key for key in keys if key.startswith("renamings/") or (key.endswith(".parquet") and "/" not in key))
    return sha256_json(said) if said else ""


def _file_fingerprint(uri: str | None) -> str:
    """Empty where there is no such file: `plan` says that better."""
    if uri is None:
        return ""
    store, name = file_at(uri)
    found = store.stat(name)
    return sha256_json([found.size, found.etag]) if found else ""
