"""Labels bought for the picks: by the source itself, as an experiment does, or by people."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa

from components.common.answers import read_answers
from components.common.artifacts import LABELS, Dataset
from components.common.errors import BadInputError
from components.common.labels.answers import PERSON, Said
from components.common.names import class_name
from components.labels.nearest import near_image, proposal
from components.labels.rules import Resolved, renamed, resolve
from components.labels.store import CLASS, LabelStore, State
from components.labels.store import Answer as Vote
from components.labels.votes import UNDATED, is_unnamed, votes
from components.sample.picks import Pick

LISTED = 10  # disagreements that the log tells in full
SKIPPED, NONE = "passed over", "none of the classes"


class Answer(NamedTuple):
    label: str
    annotator: str
    time: datetime | None = None


class Answers(NamedTuple):
    """By row: the answers that hold, the classes of those who disagree, whose images stay open, and why the images that
    nobody is asked about again have no label.
    """

    given: dict[int, Answer]
    conflicts: dict[int, tuple[str, ...]]
    passed: Mapping[int, str] = {}
    round: int = 0  # the highest that has an answer
    classes: Sequence[str] = ()  # names that people gave to the source's, and others that they gave


def source_answers(dataset: Dataset, rows: Iterable[int]) -> dict[int, Answer]:
    """What the source says of these rows, where it says something."""
    labels = dataset.column("label")
    return {row: Answer(labels[row], "source") for row in rows if labels[row] is not None}


def file_answers(dataset: Dataset, uri: str, rule: str = "majority") -> Answers:
    """Answers of people from a table (`id,label` and perhaps `annotator`) or an export of Label Studio, by row; none
    where nobody has answered yet. What stands later counts as said later.

    Raises BadInputError with the line where an image is unknown, or a class is not one of the source's.
    """
    _, said = read_answers(uri)
    ids = set(dataset.column("id"))
    return _by_row(dataset, resolve(State(votes(_checked(said, ids, dataset)), []), rule), uri)


def store_answers(dataset: Dataset, store: LabelStore, version: str, rule: str) -> Answers:
    """Answers of people from the label store, by row. version: as `LabelStore.read` takes it.

    What was said of images that this version of the dataset does not hold is passed over.
    """
    state = store.read(version)
    known = set(dataset.column("id"))
    here = [vote for vote in state.answers if vote.id in known]
    if others := len({vote.id for vote in state.answers} - known):
        print(f"{store.root}: {others:,} labelled images are not in this version of the dataset", flush=True)
    found = _by_row(dataset, resolve(state._replace(answers=here), rule), store.root)
    sources = [Vote("", CLASS, name, "", UNDATED, "", 0) for name in dataset.classes]
    called = {vote.label for vote in renamed(sources, state.renamings) if vote.label}
    classes = sorted(called | {answer.label for answer in found.given.values()})
    return found._replace(round=max((vote.round for vote in here), default=0), classes=classes)


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
                "time": answers[row].time,
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


def _checked(said: Iterable[Said], ids: set[str], dataset: Dataset) -> Iterator[Said]:
    """The answers, each class as the source writes it."""
    classes = {class_name(name): name for name in dataset.classes}
    for answer in said:
        if answer.image not in ids:
            raise BadInputError(
                f"{answer.where}: no image {answer.image[:16]!r} in dataset {dataset.name}; expected ids of "
                f"candidates.csv{near_image(answer.image, sorted(ids), dataset.column('source').tolist())}"
            )
        if classes and answer.label not in classes:
            raise BadInputError(
                f"{answer.where}: class {answer.label[:80]!r} is not one of {list(dataset.classes)}"
                f"{proposal(answer.label, dataset.classes)}"
            )
        yield answer._replace(label=classes.get(answer.label, answer.label))


def _by_row(dataset: Dataset, found: Resolved, place: str) -> Answers:
    """What was resolved, by row; disagreements are listed. place: where the answers were read."""
    rows = {image: row for row, image in enumerate(dataset.column("id"))}
    for what, some in (("left open", found.open), ("decided by the rule", _decided(found))):
        if some:
            print(f"{place}: annotators disagree, {what} ({len(some):,}): {_listed(some)}", flush=True)
    given = {rows[image]: Answer(str(vote.label), _name(vote), _time(vote)) for image, vote in found.held.items()}
    conflicts = {rows[image]: tuple(sorted({_told(vote) for vote in votes})) for image, votes in found.open.items()}
    passed = {rows[image]: why for why, some in ((SKIPPED, found.skipped), (NONE, found.none)) for image in some}
    return Answers(given, conflicts, passed)


def _decided(found: Resolved) -> dict[str, list[Vote]]:
    return {image: votes for image, votes in found.conflicts.items() if image not in found.open}


def _listed(conflicts: dict[str, list[Vote]]) -> str:
    told = []
    for image, several in list(conflicts.items())[:LISTED]:
        first: dict[str, Vote] = {}  # of each class, whoever said it first
        for vote in several:
            first.setdefault(_told(vote), vote)
        said = [f"{name!r} ({vote.task}, {_name(vote)})" for name, vote in first.items()]
        told.append(f"image {image[:16]!r} is " + " and ".join(said))
    more = f"; and {len(conflicts) - LISTED:,} more" if len(conflicts) > LISTED else ""
    return "; ".join(told) + more


def _told(vote: Vote) -> str:
    return vote.label or NONE


def _name(vote: Vote) -> str:
    return PERSON if is_unnamed(vote) else vote.annotator


def _time(vote: Vote) -> datetime | None:
    return None if vote.time == UNDATED else vote.time.replace(microsecond=0)
