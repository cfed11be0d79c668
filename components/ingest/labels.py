"""Labels from a CSV file with the columns path,label."""

import csv
import io
import posixpath
from pathlib import Path

from components.common.errors import BadInputError
from components.common.storage import open_store


def read_csv(labels: str, source: str) -> tuple[bytes, str | None]:
    """The bytes of a label CSV, and its path inside the source where it lies there.

    `labels` is an s3:// URI, a path, or a path inside the source.
    """
    try:
        if labels.startswith("s3://"):
            folder, _, name = labels.rpartition("/")
            root = source.rstrip("/") + "/"
            return open_store(folder).read(name), labels.removeprefix(root) if labels.startswith(root) else None
        path = Path(labels).expanduser()
        if path.is_file():
            root_folder = Path(source).expanduser().resolve()
            inside = path.resolve().is_relative_to(root_folder)
            return path.read_bytes(), path.resolve().relative_to(root_folder).as_posix() if inside else None
        key = posixpath.normpath(labels)
        return open_store(source).read(key), key
    except (KeyError, ValueError):
        raise BadInputError(f"{labels}: no such file, here or in {source}; `ingest.labels` is `folders`, `none`, or a CSV with the "
                            "columns path,label") from None


def parse_csv(data: bytes, name: str, known: frozenset[str], source: str) -> dict[str, str]:
    """Label by path inside the source; an empty label is no label.

    Raises BadInputError, with file and line, where a path is not `known` or is labelled twice differently.
    """
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        columns = [column.strip() for column in reader.fieldnames or []]
        if not {"path", "label"} <= set(columns):
            raise BadInputError(f"{name}:1: expected the columns path,label; found {','.join(columns) or 'nothing'}")
        reader.fieldnames = columns
        lines: dict[str, int] = {}
        labels: dict[str, str] = {}
        for row in reader:
            line, given = reader.line_num, (row["path"] or "").strip()
            path, label = posixpath.normpath(given), (row["label"] or "").strip()
            if path not in known:
                raise BadInputError(f"{name}:{line}: {given!r} is not a file in {source}; paths are relative to it")
            before = labels.get(path, "")
            if path in lines and before != label:
                raise BadInputError(f"{name}:{line}: {given!r} is {label!r} here and {before!r} in line {lines[path]}; keep one")
            lines[path] = line
            if label:
                labels[path] = label
    except UnicodeDecodeError as error:
        raise BadInputError(f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except csv.Error as error:
        raise BadInputError(f"{name}:{reader.line_num}: not CSV ({error}); expected the columns path,label") from None
    return labels
