"""Labels from a table with the columns path,label, and what is odd about them."""

import posixpath
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import IO

from components.common.errors import BadInputError
from components.common.labels.tables import read_table
from components.common.names import class_name
from components.ingest.source.archives import local_copy
from components.ingest.source.listing import Listing

LISTED = 10  # contradictions that are told in full


class Warnings:
    """Remarks for the report: of each kind the first one, and how many there are."""

    def __init__(self) -> None:
        self.first: dict[str, str] = {}
        self.count: Counter[str] = Counter()

    def add(self, kind: str, text: str) -> None:
        self.first.setdefault(kind, text)
        self.count[kind] += 1

    def lines(self) -> tuple[str, ...]:
        return tuple(
            text + (f" ({self.count[kind]:,} such lines)" if self.count[kind] > 1 else "")
            for kind, text in self.first.items()
        )


def read_csv(labels: str, source: str, scratch: Path) -> tuple[Path, str | None]:
    """A label CSV as a local file, and its path inside the source where it lies there.

    `labels` is an s3:// URI, a path, or a path inside the source.
    """
    try:
        if labels.startswith("s3://"):
            folder, _, name = labels.rpartition("/")
            root = source.rstrip("/") + "/"
            return local_copy(folder, name, scratch), labels.removeprefix(root) if labels.startswith(root) else None
        path = Path(labels).expanduser()
        if path.is_file():
            root_folder = Path(source).expanduser().resolve()
            inside = path.resolve().is_relative_to(root_folder)
            return path, path.resolve().relative_to(root_folder).as_posix() if inside else None
        key = posixpath.normpath(labels)
        if source.startswith("s3://"):
            return local_copy(source, key, scratch), key
        within = Path(source).expanduser() / key
        if within.is_file() and not key.startswith(("/", "..")):
            return within, key
    except (KeyError, ValueError):
        pass
    raise BadInputError(
        f"{labels}: no such file, here or in {source}; `ingest.labels` is `folders`, `none`, or a CSV with the "
        "columns path,label"
    )


def read_labels(csv_file: IO[bytes], name: str, source: str, listing: Listing) -> None:
    """Note the label of each path inside the source (an empty label is no label), and what is odd about them; a path
    with different labels has none, and is noted as contradicted.

    Raises BadInputError, with file and line, where a path is not in the listing.
    """
    warnings = Warnings()
    for line, row in read_table(csv_file, name, ("path", "label")).rows:
        given = row["path"].strip()
        path = posixpath.normpath(given)
        label = stripped(row["label"], f"{name}:{line}", warnings)
        if path not in listing:
            raise BadInputError(f"{name}:{line}: {given!r} is not a file in {source}; paths are relative to it")
        before = listing.db.execute("SELECT label, line FROM csv WHERE path = ?", (path,)).fetchone()
        if before is None or (label and not before[0]):
            listing.db.execute("INSERT OR REPLACE INTO csv VALUES (?,?,?)", (path, label, line))
        elif label and label != before[0]:
            listing.contradict(path, before, (label, line))
        elif label:
            warnings.add(
                "twice", f"{name}:{line}: {given!r} is here again, equal to line {before[1]}; one of them is enough"
            )
    listing.warnings += warnings.lines()
    listing.db.execute("UPDATE csv SET label = '' WHERE path IN (SELECT key FROM contradicted)")


def contradictions(name: str, listing: Listing) -> tuple[str, ...]:
    """One line about images that a table labels differently in several lines, nothing where there are none."""
    count = listing.count("(SELECT DISTINCT key FROM contradicted)")
    if not count:
        return ()
    told = [
        f"{key!r} ({', '.join(f'{label!r} in line {line}' for label, line in labels)})"
        for key, labels in islice(listing.contradictions(), LISTED)
    ]
    more = f", and {count - LISTED:,} more" if count > LISTED else ""
    return (f"{name}: left without a label, since lines disagree ({count:,}): {', '.join(told)}{more}",)


def stripped(label: str, where: str, warnings: Warnings) -> str:
    """The name of a class; white space around it is remarked on."""
    clean = class_name(label)
    if label.strip() != label:
        warnings.add("spaces", f"{where}: label {label!r} was taken as {clean!r}, without the white space around it")
    return clean
