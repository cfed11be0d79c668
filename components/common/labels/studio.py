"""Read the exports of Label Studio: JSON, JSON-MIN, and the rows of its CSV and TSV.

    JSON      [{"id": 7, "data": {"image_id": …}, "annotations": [{"completed_by": 1, "was_cancelled": false,
               "result": [{"from_name": "choice", "value": {"choices": ["cat"]}}]}]}]
    JSON-MIN  [{"id": 7, "image_id": …, "choice": "cat", "annotator": 1, "annotation_id": 9, …}], one per annotation

In the flat forms `id` is the number of the task, whatever the task's data said, and the answer stands under the name of
the control among the task's data. They leave out skipped tasks; JSON has them with an annotation that is cancelled.
Whoever asks for answers gets classes alone; whoever asks for lines gets what was skipped and what is open too.
Seen in Label Studio 1.23, whose code for it is label_studio_sdk.converter.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from components.common.errors import BadInputError
from components.common.labels.answers import OPEN, SKIP, Line, Said, is_text, moment, person
from components.common.names import class_name

IMAGE_ID = "image_id"  # our id in a task's data, where a flat export keeps it
TASK_FIELDS = ("image", "id", IMAGE_ID, "rank", "purpose", "reason", "round", "dataset")  # data of the tasks we write
ANNOTATION = "annotation_id"  # in every entry of a flat export; nothing where nobody has annotated
EXPORT_FIELDS = ("annotator", ANNOTATION, "created_at", "updated_at", "lead_time", "agreement", "history")
CONTROLS = ("choice", "label", "class")  # names of the control that holds the class, where there are several controls
SHOWN = 300  # characters of the keys of an entry that an error repeats
EXPECTED = "expected Label Studio's JSON or JSON-MIN export"


class Entry(NamedTuple):
    """One annotation, or a task without any; `fields`: what may be an answer, by the name of its control."""

    where: str
    image: str
    annotator: str
    fields: dict[str, list[str]]
    time: datetime | None = None
    is_skipped: bool = False
    strange: frozenset[str] = frozenset()  # fields with answers of a kind that is no class
    wrong: str = ""  # why its image is not known


class Export(NamedTuple):
    """What was read of a file; `data`: fields that belong to tasks, and so are no answers."""

    entries: list[Entry]
    data: set[str]
    is_open: bool  # whether it tells of annotations, of which there may be none yet
    keys: list[str]  # of the first entry


def json_answers(text: str, name: str) -> Iterator[Said]:
    """Answers of an export in JSON, or of a list of objects with `id` and `label`.

    Raises BadInputError, in one line, where it is no such list, an image has several classes, or nothing in it is
    understood as an answer.
    """
    return _answers(_json(text, name), name)


def json_lines(text: str, name: str) -> list[Line]:
    """Each annotation of an export in JSON, and each task without any. Raises as `json_answers` where the file as a
    whole is not understood.
    """
    return _lines(_json(text, name), name)


def row_answers(rows: Iterable[tuple[int, dict[str, str]]], name: str) -> Iterator[Said]:
    """Answers of the rows of a CSV or TSV export."""
    return _answers(_rows(rows, name), name)


def row_lines(rows: Iterable[tuple[int, dict[str, str]]], name: str) -> list[Line]:
    """Each row of a CSV or TSV export."""
    return _lines(_rows(rows, name), name)


def _json(text: str, name: str) -> Export:
    try:
        tasks = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInputError(f"{name}:{error.lineno}: not JSON ({error.msg}); {EXPECTED}") from None
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{name}: JSON that cannot be read ({type(error).__name__}); {EXPECTED}") from None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise BadInputError(f"{name}: not a list of tasks; {EXPECTED}")
    numbered = ((f"{name}: task {number}", task) for number, task in enumerate(tasks, start=1))
    if any("data" in task or "annotations" in task for task in tasks):
        return _full(numbered)
    return _flat(numbered)


def _rows(rows: Iterable[tuple[int, dict[str, str]]], name: str) -> Export:
    """In a CSV the `id` of a task's data hides its number."""
    told = (
        (
            f"{name}:{line}",
            {ANNOTATION: None, IMAGE_ID: row.get("id"), **{key: value for key, value in row.items() if value}},
        )
        for line, row in rows
    )
    return _flat(told)


def _answers(export: Export, name: str) -> Iterator[Said]:
    control = _control(export, name)
    for entry in export.entries:
        if entry.wrong and entry.fields:
            raise BadInputError(f"{entry.where}: {entry.wrong}")
        labels = sorted(set(entry.fields.get(control, ())))
        if labels and (wrong := _wrong(labels)):
            raise BadInputError(f"{entry.where}: {wrong}")
        if labels:
            yield Said(entry.where, entry.image, labels[0], entry.annotator)


def _lines(export: Export, name: str) -> list[Line]:
    control = _control(export, name)
    lines = []
    for entry in export.entries:
        labels = sorted(set(entry.fields.get(control, ())))
        is_strange = bool(not labels and entry.strange - export.data)
        kind = SKIP if entry.is_skipped else "" if labels else OPEN
        wrong = "an answer of a kind that is no class; expected a choice" if is_strange else _wrong(labels)
        if labels or entry.is_skipped:
            wrong = entry.wrong or wrong
        label = labels[0] if labels else ""
        lines.append(Line(entry.where, entry.image, label, kind, entry.annotator, entry.time, wrong=wrong))
    return lines


def _wrong(labels: list[str]) -> str:
    if len(labels) > 1:
        return f"several classes {labels} for one image; expected one"
    if labels and not is_text(labels[0]):
        return f"class {labels[0]!r} is no text; expected the name of a class"
    return ""


def _control(export: Export, name: str) -> str:
    """The name of the control that holds the class; nothing where nobody has answered yet."""
    names = sorted({name for entry in export.entries for name in entry.fields} - export.data)
    if not names:
        if export.is_open or not export.keys:
            return ""
        raise BadInputError(
            f"{name}: no answer is understood; the first entry has {', '.join(export.keys)[:SHOWN]}; {EXPECTED}, "
            "with one class per image from a control of type Choices"
        )
    named = [name for name in CONTROLS if name in names]
    if len(names) > 1 and len(named) != 1:
        raise BadInputError(
            f"{name}: several fields may be the answer: {', '.join(names)}; expected one of them to be called "
            f"{' or '.join(CONTROLS)}"
        )
    return names[0] if len(names) == 1 else named[0]


def _full(tasks: Iterable[tuple[str, dict[str, Any]]]) -> Export:
    entries: list[Entry] = []
    keys: list[str] = []
    is_open, is_strange = False, False
    for where, task in tasks:
        annotations = task.get("annotations", task.get("completions"))
        is_open = is_open or annotations is not None
        image, wrong = _image(task)
        try:
            keys = keys or [*task, *(f"data.{key}" for key in task.get("data") or ())]
            found = [_annotation(where, image, wrong, annotation) for annotation in annotations or ()]
        except (KeyError, TypeError, AttributeError) as error:
            raise BadInputError(f"{where}: {_unlike(error)}") from None
        entries += found or [Entry(where, image, "", {}, wrong=wrong)]
        is_strange = is_strange or any(entry.strange for entry in found)
    return Export(entries, set(), is_open and not is_strange, keys)


def _image(task: dict[str, Any]) -> tuple[str, str]:
    """Our id in the task, or why there is none."""
    try:
        return str(task["data"].get(IMAGE_ID) or task["data"]["id"]), ""
    except (KeyError, TypeError, AttributeError) as error:
        return "", _unlike(error)


def _unlike(error: Exception) -> str:
    return (
        f"not as Label Studio exports it ({type(error).__name__}: {error}); expected data.{IMAGE_ID} and "
        "annotations[].result[].value.choices"
    )


def _annotation(where: str, image: str, wrong: str, annotation: dict[str, Any]) -> Entry:
    fields: dict[str, list[str]] = {}
    strange = set()
    is_skipped = bool(annotation.get("was_cancelled") or annotation.get("skipped"))
    for result in () if is_skipped else annotation["result"]:
        if choices := _choices(result["value"]):
            fields.setdefault(result.get("from_name", ""), []).extend(choices)
        else:
            strange.add(str(result.get("from_name", "")))
    who = person(annotation.get("completed_by"))
    return Entry(where, image, who, fields, _time(annotation), is_skipped, frozenset(strange), wrong)


def _time(entry: dict[str, Any]) -> datetime | None:
    """Of the last change of an annotation."""
    for key in ("updated_at", "created_at"):
        with suppress(ValueError, TypeError, AttributeError, OverflowError):
            return moment(entry[key]) if entry.get(key) else None
    return None


def _flat(told: Iterable[tuple[str, dict[str, Any]]]) -> Export:
    entries = []
    keys: list[str] = []
    data = {*TASK_FIELDS, *EXPORT_FIELDS}
    is_open = False
    for where, entry in told:
        keys = keys or list(entry)
        exported = ANNOTATION in entry
        is_open = is_open or exported or any(name in entry for name in CONTROLS)
        image = entry.get(IMAGE_ID) or (None if exported else entry.get("id"))
        wrong = "" if isinstance(image, str) else _without_id(entry)
        who = person(entry.get("annotator"))
        fields: dict[str, list[str]] = {}
        strange = set()
        if exported and entry[ANNOTATION] is None:
            data |= entry.keys()  # all that a task has before somebody answers
        else:
            for key in entry.keys() - data:
                value = entry[key]
                if key in CONTROLS and type(value) is int:  # of whoever writes such a file with a program
                    value = str(value)
                if choices := _choices(value):
                    fields[key] = choices
                elif value:
                    strange.add(key)  # an answer, perhaps
        image = str(image or "").strip()
        entries.append(Entry(where, image, who, fields, _time(entry), False, frozenset(strange), wrong))
    is_strange = any(entry.strange - data for entry in entries)
    return Export(entries, data, is_open and not is_strange, keys)


def _without_id(entry: dict[str, Any]) -> str:
    return (
        f"no field {IMAGE_ID} ('id' is Label Studio's number of the task here); the entry has "
        f"{', '.join(entry)[:SHOWN]}; export as JSON instead, which keeps the ids of older tasks"
    )


def _choices(value: Any) -> list[str]:
    """Classes in the value of a control: a text, an object with `choices`, or a list of these; nothing in all else."""
    if isinstance(value, str):
        if value.startswith(("{", "[")):  # in CSV, several choices are JSON
            try:
                return _choices(json.loads(value))
            except (ValueError, RecursionError):
                pass
        return [class_name(value)] if value.strip() else []
    if isinstance(value, dict):
        return _choices(value.get("choices"))
    return [choice for item in value for choice in _choices(item)] if isinstance(value, list) else []
