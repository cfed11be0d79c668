"""Labels bought for the picks: by the source itself, as an experiment does, or by people."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from components.common.artifacts import LABELS, Dataset
from components.common.errors import BadInputError
from components.common.storage import open_store
from components.sample.picks import Pick


class Answer(NamedTuple):
    label: str
    annotator: str


def source_answers(dataset: Dataset, rows: Iterable[int]) -> dict[int, Answer]:
    """What the source says of these rows, where it says something."""
    labels = dataset.column("label")
    return {row: Answer(labels[row], "source") for row in rows if labels[row] is not None}


def file_answers(dataset: Dataset, uri: str) -> dict[int, Answer]:
    """Answers of people from a CSV (`id,label` and perhaps `annotator`) or Label Studio's JSON export, by row.

    Raises BadInputError with the line where an image is unknown, a class is not one of the source's, or two answers
    differ.
    """
    folder, _, name = uri.rpartition("/")
    try:
        text = open_store(folder or ".").read(name).decode("utf-8-sig")
    except KeyError:
        wanted = "expected a CSV with the columns id,label or Label Studio's JSON export"
        raise BadInputError(f"sample.labels_file: {uri} does not exist; {wanted}") from None
    except UnicodeDecodeError as error:
        raise BadInputError(f"{uri}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    rows = {image: row for row, image in enumerate(dataset.column("id"))}
    answers: dict[int, Answer] = {}
    for where, image, answer in _label_studio(text, uri) if name.endswith(".json") else _table(text, uri):
        if image not in rows:
            raise BadInputError(
                f"{where}: no image {image[:16]!r} in dataset {dataset.name}; expected ids of candidates.csv"
            )
        if dataset.classes and answer.label not in dataset.classes:
            raise BadInputError(f"{where}: class {answer.label!r} is not one of {list(dataset.classes)}")
        if answers.setdefault(rows[image], answer).label != answer.label:
            before = answers[rows[image]].label
            raise BadInputError(
                f"{where}: image {image[:16]!r} is {answer.label!r} here and {before!r} before; keep one answer"
            )
    return answers


def _table(text: str, uri: str) -> Iterable[tuple[str, str, Answer]]:
    reader = csv.DictReader(io.StringIO(text))
    missing = {"id", "label"} - set(reader.fieldnames or ())
    if missing:
        raise BadInputError(f"{uri}:1: lacks the columns {sorted(missing)}; expected id,label")
    for row in reader:
        if row["label"] and row["label"].strip():  # an empty answer is no answer yet
            yield (
                f"{uri}:{reader.line_num}",
                (row["id"] or "").strip(),
                Answer(row["label"].strip(), row.get("annotator") or "person"),
            )


def _label_studio(text: str, uri: str) -> Iterable[tuple[str, str, Answer]]:
    try:
        tasks: list[dict[str, Any]] = json.loads(text)
        for number, task in enumerate(tasks, start=1):
            for annotation in task.get("annotations", []):
                choices = [choice for result in annotation["result"] for choice in result["value"].get("choices", [])]
                if len(choices) > 1:
                    raise BadInputError(f"{uri}: task {number}: several classes {choices} for one image; expected one")
                if choices and not annotation.get("was_cancelled"):
                    yield (
                        f"{uri}: task {number}",
                        task["data"]["id"],
                        Answer(choices[0], str(annotation.get("completed_by", "person"))),
                    )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        wanted = "expected JSON with annotations[].result[].value.choices"
        raise BadInputError(
            f"{uri}: not an export of Label Studio ({type(error).__name__}: {error}); {wanted}"
        ) from None


def labels_table(dataset: Dataset, answers: dict[int, Answer], purposes: dict[int, str], source: str) -> pa.Table:
    """The labels table, in the order of the index; `purposes` names the rows that count and what for."""
    ids = dataset.column("id")
    kept = sorted(row for row in answers if row in purposes)
    return pa.Table.from_pylist(
        [
            {
                "id": ids[row],
                "label": answers[row].label,
                "purpose": purposes[row],
                "source": source,
                "annotator": answers[row].annotator,
                "time": None,
                "weight": 1.0,
            }
            for row in kept
        ],
        schema=LABELS,
    )


def purposes_of(picks: list[Pick], answered_train: Iterable[int]) -> dict[int, str]:
    """What a label may be used for: held-out labels only where the image was drawn, training labels wherever they
    exist.
    """
    return dict.fromkeys(answered_train, "train") | {pick.row: pick.purpose for pick in picks}
