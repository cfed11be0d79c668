"""A stream of images in a folder: what there is at the start, what comes week by week, and what each image is."""

import csv
from pathlib import Path
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.files import sha256_file

TRUTH = "truth.csv"


class Part(NamedTuple):
    """The start, or one week."""

    name: str
    files: list[Path]
    labels: list[str]


class Stream(NamedTuple):
    start: Part
    weeks: list[Part]
    truth: dict[str, str]
    """Label of each image, by its id (sha256 of its bytes)."""

    def pictures(self, count: int = 12) -> dict[str, list[bytes]]:
        """A few images of each week, by its name."""
        return {week.name: [path.read_bytes() for path in week.files[:count]] for week in self.weeks}


def read_stream(folder: Path) -> Stream:
    """Raises BadInputError where the folder is not laid out as `gleaner example … --stream` does it."""
    table = folder / TRUTH
    if not table.is_file():
        raise BadInputError(
            f"{folder}: holds no {TRUTH}; expected a stream, as `gleaner example mnist {folder} --stream` writes one"
        )
    parts: dict[str, Part] = {}
    truth: dict[str, str] = {}
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            path = folder / row["image"]
            try:
                truth[sha256_file(path)] = row["label"]
            except OSError as error:
                raise BadInputError(f"{path}: {error.strerror}; {table} names it") from None
            name = path.parent.name
            part = parts.setdefault(name, Part(name, [], []))
            part.files.append(path)
            part.labels.append(row["label"])
    if "start" not in parts or len(parts) < 2:
        raise BadInputError(f"{table}: names {', '.join(sorted(parts)) or 'nothing'}; expected start/ and weeks")
    weeks = [parts[name] for name in sorted(parts) if name != "start"]
    return Stream(parts["start"], weeks, truth)
