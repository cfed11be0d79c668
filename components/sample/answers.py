"""Labels bought for the picks: by the source itself, as an experiment does, or by people."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from components.common.answers import read_answers
from components.common.artifacts import LABELS, Dataset
from components.common.errors import BadInputError
from components.common.labels.answers import Said, settled
from components.common.names import class_name
from components.sample.picks import Pick

LISTED = 10  # disagreements that the log tells in full


class Answer(NamedTuple):
    label: str
    annotator: str


class Answers(NamedTuple):
    """By row: the answers that hold, and the classes of those who disagree, whose images stay open."""

    given: dict[int, Answer]
    conflicts: dict[int, tuple[str, ...]]


def source_answers(dataset: Dataset, rows: Iterable[int]) -> dict[int, Answer]:
    """What the source says of these rows, where it says something."""
    labels = dataset.column("label")
    return {row: Answer(labels[row], "source") for row in rows if labels[row] is not None}


def file_answers(dataset: Dataset, uri: str) -> Answers:
    """Answers of people from a table (`id,label` and perhaps `annotator`) or an export of Label Studio, by row; none
    where nobody has answered yet.

    Raises BadInputError with the line where an image is unknown, or a class is not one of the source's.
    """
    _, said = read_answers(uri)
    rows = {image: row for row, image in enumerate(dataset.column("id"))}
    held = settled(_checked(said, rows, dataset))
    given = {rows[image]: Answer(answer.label, answer.annotator) for image, answer in held.answers.items()}
    conflicts = {rows[image]: tuple(sorted(answer.label for answer in told)) for image, told in held.conflicts.items()}
    if conflicts:
        print(f"{uri}: annotators disagree, left open ({len(conflicts):,}): {_listed(held.conflicts)}", flush=True)
    return Answers(given, conflicts)


def _checked(said: Iterable[Said], rows: dict[str, int], dataset: Dataset) -> Iterator[Said]:
    """The answers, each class as the source writes it."""
    classes = {class_name(name): name for name in dataset.classes}
    for answer in said:
        if answer.image not in rows:
            raise BadInputError(
                f"{answer.where}: no image {answer.image[:16]!r} in dataset {dataset.name}; expected ids of "
                "candidates.csv"
            )
        if classes and answer.label not in classes:
            raise BadInputError(f"{answer.where}: class {answer.label[:80]!r} is not one of {list(dataset.classes)}")
        yield answer._replace(label=classes.get(answer.label, answer.label))


def _listed(conflicts: dict[str, list[Said]]) -> str:
    told = [
        f"image {image[:16]!r} is " + " and ".join(f"{one.label!r} ({one.where}, {one.annotator})" for one in answers)
        for image, answers in conflicts.items()
    ]
    return "; ".join(told[:LISTED]) + (f"; and {len(told) - LISTED:,} more" if len(told) > LISTED else "")


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
