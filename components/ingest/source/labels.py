"""Labels from a CSV file with the columns path,label, and what is odd about labels wherever they come from."""

import csv
import io
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from components.common.errors import BadInputError
from components.ingest.source.archives import local_copy
from components.ingest.source.listing import Listing


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
    """Note the label of each path inside the source (an empty label is no label), and what is odd about them.

    Raises BadInputError, with file and line, where a path is not in the listing or is labelled twice differently.
    """
    warnings = Warnings()
    for line, row in csv_rows(csv_file, name, ("path", "label")):
        given = row["path"].strip()
        path = posixpath.normpath(given)
        label = stripped(row["label"], f"{name}:{line}", warnings)
        if path not in listing:
            raise BadInputError(f"{name}:{line}: {given!r} is not a file in {source}; paths are relative to it")
        before = listing.db.execute("SELECT label, line FROM csv WHERE path = ?", (path,)).fetchone()
        if before is None:
            listing.db.execute("INSERT INTO csv VALUES (?,?,?)", (path, label, line))
        elif before[0] != label:
            raise BadInputError(
                f"{name}:{line}: {given!r} is {label!r} here and {before[0]!r} in line {before[1]}; keep one"
            )
        else:
            warnings.add(
                "twice", f"{name}:{line}: {given!r} is here again, equal to line {before[1]}; one of them is enough"
            )
    listing.warnings += warnings.lines()


def stripped(label: str, where: str, warnings: Warnings) -> str:
    """The label without white space around it."""
    clean = label.strip()
    if clean != label:
        warnings.add("spaces", f"{where}: label {label!r} was taken as {clean!r}, without the white space around it")
    return clean


def case_warnings(labels: Iterable[str | None]) -> tuple[str, ...]:
    """One line for each set of labels that differ in nothing but capitals; they are not merged."""
    alike: dict[str, list[str]] = {}
    counts = Counter(label for label in labels if label is not None)
    for label in sorted(counts):
        alike.setdefault(label.casefold(), []).append(label)
    shown = [[f"{label!r} ({counts[label]:,})" for label in group] for group in alike.values() if len(group) > 1]
    return tuple(
        f"labels {', '.join(group[:-1])} and {group[-1]} differ in capitals only and stay {len(group)} classes; "
        "rename them if one is meant"
        for group in shown
    )


def csv_rows(file: IO[bytes], name: str, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Number of the line and the fields by column, nothing where a row is short; the file is read as it is needed.

    Raises BadInputError, with the line, where it is no UTF-8, no CSV, or lacks one of the `columns`.
    """
    reader = csv.DictReader(_text_lines(file, name), strict=True)
    expected = f"expected the columns {','.join(columns)}"
    try:
        header = [column.strip() for column in reader.fieldnames or []]
        if not set(columns) <= set(header):
            raise BadInputError(f"{name}:1: {expected}; found {','.join(header) or 'nothing'}")
        reader.fieldnames = header
        for row in reader:
            yield reader.line_num, {column: row[column] or "" for column in header}
    except csv.Error as error:
        raise BadInputError(f"{name}:{reader.line_num}: not CSV ({error}); {expected}") from None


def _text_lines(file: IO[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise BadInputError(
                f"{name}:{number}: not UTF-8 at byte {error.start} of the line; save it as UTF-8"
            ) from None
        if "\0" in text:
            raise BadInputError(f"{name}:{number}: holds NUL characters, as UTF-16 does; save it as UTF-8")
        yield from io.StringIO(text, newline="")  # some programs end a line with a carriage return alone
