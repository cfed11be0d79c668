"""Whatever a file holds, each of its entries is accepted, known already, not answered, or refused with a reason."""

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.common.labels.folders import TOOLS
from components.common.labels.lines import read_lines
from components.labels.images import Images
from components.labels.judging import Given, judge
from components.labels.store import CLASS, Answer, State
from tests.labels.world import CLASSES, content, dataset

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATA = dataset(8)
IMAGES = Images(DATA)
IDS = DATA.index.column("id").to_pylist()
SOURCES = DATA.index.column("source").to_pylist()
BEFORE = State([Answer(IDS[0], CLASS, "cat", "ann", NOW, "other.csv:2", 1)], [])

TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), max_size=9)
NAMES = st.one_of(st.sampled_from([*IDS, *SOURCES, IDS[0][:9], "", "0001.png"]), TEXT)
LABELS = st.one_of(st.sampled_from([*CLASSES, "", "skip", "none of these", "Cat"]), TEXT)
PEOPLE = st.sampled_from(["ann", "bob", ""])
TIMES = st.sampled_from(["", "2026-02-01T10:00:00Z", "2026-02-02", "9999-01-01", "soon"])
ROWS = st.lists(st.tuples(NAMES, LABELS, PEOPLE, TIMES), max_size=12)
Row = tuple[str, str, str, str]


def class_folder(label: str) -> str:
    """A folder that a file system and a zip can hold, and no tool leaves behind."""
    name = label.strip("./\\:\0").replace("/", "_")
    return name if name and name not in TOOLS else "no_label"


def as_csv(folder: Path, rows: list[Row], separator: str = ",", end: str = "\n", encoding: str = "utf-8") -> int:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=end)
    writer.writerow(["id", "label", "annotator", "time"])
    writer.writerows(rows)
    (folder / "f").write_bytes(text.getvalue().encode(encoding))
    return sum(any(field.strip() for field in row) for row in rows)  # empty rows are no entries


def as_excel(folder: Path, rows: list[Row]) -> int:
    return as_csv(folder, rows, ";", "\r\n", "utf-8-sig")


def as_old_mac(folder: Path, rows: list[Row]) -> int:
    return as_csv(folder, rows, "\t", "\r", "utf-16")


def as_objects(folder: Path, rows: list[Row]) -> int:
    entries = [dict(zip(("id", "label", "annotator", "time"), row, strict=True)) for row in rows]
    (folder / "f").write_text(json.dumps(entries))
    return len(rows)


def as_studio(folder: Path, rows: list[Row]) -> int:
    tasks: list[dict[str, Any]] = []
    for name, label, who, time in rows:
        result = [{"from_name": "choice", "value": {"choices": [label]}}] if label else []
        annotation = {"result": result, "completed_by": who, "updated_at": time, "was_cancelled": label == "skip"}
        tasks.append({"data": {"image_id": name, "id": name}, "annotations": [annotation]})
        tasks.append({"data": {"image_id": name, "id": name}, "annotations": []})
    (folder / "f").write_text(json.dumps(tasks))
    return len(tasks)


def as_studio_min(folder: Path, rows: list[Row]) -> int:
    entries = [
        {"id": 7, "image_id": name, "choice": label, "annotator": who, "annotation_id": 9, "updated_at": time}
        for name, label, who, time in rows
    ]
    (folder / "f").write_text(json.dumps([*entries, {"id": 8, "image_id": "x", "annotation_id": None}]))
    return len(rows) + 1


def as_cvat(folder: Path, rows: list[Row]) -> int:
    images = "".join(
        f"<image id='1' name={quoteattr(name)}>"
        + (f"<tag label={quoteattr(label)}></tag>" if label else "<box></box>" if who else "")
        + "</image>"
        for name, label, who, _ in rows
    )
    (folder / "f").write_text(f"<annotations><version>1.1</version>{images}</annotations>", encoding="utf-8")
    return len(rows)


def as_folders(folder: Path, rows: list[Row]) -> int:
    """A file of its own for each entry: of the contents of an image, or of its name."""
    (folder / "f" / "cat").mkdir(parents=True)
    (folder / "f" / "cat" / "last.png").write_bytes(b"unknown")
    for number, (name, label, who, _) in enumerate(rows):
        place = folder / "f" / class_folder(label) / str(number)
        place.mkdir(parents=True, exist_ok=True)
        stem = name.replace("/", "_").replace("\0", "").strip(".") or "x"
        (place / f"{stem}.png").write_bytes(content(number) if who else b"unknown")
    return 1 + len(rows)


def as_zip(folder: Path, rows: list[Row]) -> int:
    with zipfile.ZipFile(folder / "f", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../cat/x.png", b"out of it")
        for number, (name, label, who, _) in enumerate(rows):
            data = content(number) if who else b"unknown"
            archive.writestr(f"{class_folder(label)}/{number}/x{name.replace('/', '_')}.png", data)
    return 1 + len(rows)


WRITERS = [as_csv, as_excel, as_old_mac, as_objects, as_studio, as_studio_min, as_cvat, as_folders, as_zip]


@pytest.mark.parametrize("write", WRITERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_what_comes_in_is_accepted_known_unanswered_or_refused(write: Callable[..., int], rows: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        entries = write(Path(folder), rows)
        if write is as_csv and entries == 0:
            return
        lines = read_lines(Path(folder) / "f", "f")
    assert len(lines) == entries
    judged = judge(lines, IMAGES, BEFORE, Given("f", None, 1, True, NOW))
    assert len(judged.accepted) + len(judged.refused) + judged.known + judged.unanswered == entries
    assert all(one.reason and one.where.startswith("f:") for one in judged.refused)
    for answer in judged.accepted:
        assert answer.id in IDS
        assert answer.label in CLASSES if answer.kind == CLASS else answer.label is None
        assert answer.task.startswith("f:")
    again = judge(lines, IMAGES, State(BEFORE.answers + judged.accepted, []), Given("f", None, 1, True, NOW))
    assert again.accepted == []  # the same file once more says nothing new
    assert again.known == len(judged.accepted) + judged.known
