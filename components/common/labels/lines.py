"""Read whatever people export their answers as, entry by entry; what a file is tell its first bytes.

table      CSV: `id` or `source`, `label` or `answer`, and perhaps `annotator`, `time`, `round`
objects    a list of JSON objects with these keys, or one object a line
studio     Label Studio's JSON, JSON-MIN, CSV and TSV
CVAT       `CVAT for images 1.1` as XML or in a zip
folders    a folder for each class, or a zip of such
"""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from components.common.errors import BadInputError
from components.common.labels.answers import CLASS, NONE, OPEN, SKIP, Line, is_text, moment
from components.common.labels.cvat import cvat_lines
from components.common.labels.folders import checked_members, folder_lines, member, zip_lines
from components.common.labels.studio import ANNOTATION, json_lines, row_lines
from components.common.labels.tables import read_table
from components.common.labels.text import whole_text
from components.common.names import class_name

SHAPES = (("id", "label"), ("id", "answer"), ("source", "label"), ("source", "answer"), ("id", ANNOTATION))
CANDIDATES = {"id", "rank", "purpose", "reason"}  # columns of candidates.csv, which has no annotator
SAYS = {"": "", "class": CLASS, "none": NONE, "skip": SKIP, "open": OPEN}  # in the column `answer`
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
ANNOTATIONS = "annotations.xml"  # of CVAT, in a zip
WORKBOOK = "[Content_Types].xml"  # in every .xlsx, and `mimetype` first in every .ods


def read_lines(path: Path, name: str) -> list[Line]:
    """Every entry of a file or folder. name: what errors, and the lines' places, call it.

    Raises BadInputError where it is none of these, or cannot be read as a whole.
    """
    if path.is_dir():
        return list(folder_lines(path, name))
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            if head.startswith((ZIP, EMPTY_ZIP)):
                return _zip(path, name)
            file.seek(0)
            start = _first(head)
            if start == "<":
                return cvat_lines(file, name)
            if start in ("[", "{"):
                return _json(whole_text(file.read(), name), name)
            return _table(path, name)
    except OSError as error:
        raise BadInputError(f"{name}: cannot be read: {error.strerror}; expected a file or folder of answers") from None


def _first(head: bytes) -> str:
    """The first character that is no white space, in UTF-8 or UTF-16."""
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = head.decode("utf-16" if wide else "utf-8-sig", "ignore").lstrip()
    return text[:1]


def _zip(path: Path, name: str) -> list[Line]:
    members = {key: (stretch, reason) for key, stretch, reason in checked_members(path, name)}
    if WORKBOOK in members or "mimetype" in members:
        raise BadInputError(f"{name}: a workbook, expected text; save it as CSV (in Excel: CSV UTF-8)")
    if ANNOTATIONS not in members:
        return list(zip_lines(path, name))
    stretch, reason = members[ANNOTATIONS]
    try:
        if reason or stretch is None:
            raise ValueError(reason or "a folder")
        return cvat_lines(io.BytesIO(member(path, stretch)), f"{name}:{ANNOTATIONS}")
    except ValueError as error:
        raise BadInputError(f"{name}: {ANNOTATIONS}: {error}; export it again") from None


def _table(path: Path, name: str) -> list[Line]:
    refused: list[Line] = []
    with path.open("rb") as file:
        table = read_table(
            file, name, *SHAPES, refused=lambda line, why: refused.append(Line(f"{name}:{line}", "", wrong=why))
        )
        if ANNOTATION in table.columns:
            return [*row_lines(table.rows, name), *refused]
        rows = [_row(f"{name}:{line}", row) for line, row in table.rows]
    return [*rows, *refused]


def _json(text: str, name: str) -> list[Line]:
    """Our own objects, or an export of Label Studio."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = list(_objects(text))
    if isinstance(found, list) and found and all(_is_ours(one) for one in found):
        return [_row(f"{name}: entry {number}", _texts(one)) for number, one in enumerate(found, start=1)]
    return json_lines(text, name)


def _objects(text: str) -> Iterator[Any]:
    """One object a line; nothing where a line is none."""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            yield None
            return


def _is_ours(entry: Any) -> bool:
    return isinstance(entry, dict) and any(set(shape) <= entry.keys() for shape in SHAPES[:-1])


def _texts(entry: dict[str, Any]) -> dict[str, str]:
    """Fields as a table would hold them; what is no text or number is kept as JSON, and refused as a class."""
    return {
        key: value if isinstance(value, str) else "" if value is None else json.dumps(value)
        for key, value in entry.items()
    }


def _row(where: str, row: dict[str, str]) -> Line:
    image = (row.get("id") or row.get("source") or "").strip()
    label = class_name(row.get("label", ""))
    says = row.get("answer", "").strip().casefold()
    time = None
    wrong = []
    if says not in SAYS:
        wrong.append(f"answer {says[:80]!r} is not one of {_listed(SAYS)}")
    if says == CLASS and not label:
        wrong.append("answer `class` and no label")
    if says in (NONE, SKIP, OPEN) and label:
        wrong.append(f"answer {says!r} and the label {label[:80]!r}; expected one of them")
    kind = SAYS.get(says, "") or ("" if label else OPEN)
    if not image and kind != OPEN:
        wrong.append("no id")
    if not all(map(is_text, (image, label, row.get("annotator") or ""))):
        wrong.append("a field that is no text")
    try:
        time = moment(row["time"]) if row.get("time", "").strip() else None
    except (ValueError, OverflowError):
        wrong.append(f"time {row['time'][:80]!r} is none; expected ISO 8601, such as 2026-03-01T12:00:00Z")
    number = row.get("round", "").strip()
    if number and not (len(number) < 5 and number.isascii() and number.isdecimal() and int(number) > 0):
        wrong.append(f"round {number[:80]!r} is no number from 1 to 9999")
    who = " ".join((row.get("annotator") or "").split())
    turn = 0 if wrong or not number else int(number)
    is_prefilled = not who and row.keys() >= CANDIDATES
    return Line(where, image, label, kind, who, time, turn, is_prefilled=is_prefilled, wrong="; ".join(wrong))


def _listed(words: Iterable[str]) -> str:
    return ", ".join(word for word in words if word)
