"""What people said of an image, from the batches of the label store."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from components.common.storage import Stat, Store
from components.labels.rules import called_now, meaning, standing
from components.labels.store import ANSWERS, WITHDRAWN, Answer, LabelStore
from components.lineage.reading.columns import in_readers, rows_of

NAME = re.compile(r"\d{4,}-[0-9a-f]{4,16}(?:\.parquet)?")
"""Of a batch, by its first digits too."""
DISPUTED = "others differ"
STANDS = ("", DISPUTED)


class Given(NamedTuple):
    """An answer, and the batch that it came in."""

    answer: Answer
    batch: str  # key in the store
    name: str  # of the labels: the dataset's


def answers_about(store: Store, name: str, ids: Sequence[str]) -> list[Given]:
    """What was said of images whose ids begin with one of `ids`, by time."""
    return _answers(store, name, LabelStore(store, name).batches(), "id", ids)


def answers_by(store: Store, name: str, person: str) -> list[Given]:
    """What a person said, by time."""
    found = _answers(store, name, LabelStore(store, name).batches(), "annotator", [person])
    return [one for one in found if one.answer.annotator == person]


def answers_in(store: Store, name: str, batch: str) -> list[Given]:
    """The answers of the batches whose name begins so, by time."""
    begins = f"labels/{name}/{batch.removesuffix('.parquet')}"
    batches = [stat for stat in LabelStore(store, name).batches() if stat.key.startswith(begins)]
    return _answers(store, name, batches, "id", [""])


def by_time(given: Iterable[Given]) -> list[Given]:
    return sorted(given, key=lambda one: (one.answer.time, one.batch))


def fates(given: Sequence[Given]) -> list[str]:
    """What became of answers, in words: one of STANDS where one counts. given: by time, all that there are about their
    images.
    """
    stands = {id(one) for answers in standing(one.answer for one in given).values() for one in answers}
    about: dict[str, list[Answer]] = {}
    for one in given:
        if id(one.answer) in stands:
            about.setdefault(one.answer.id, []).append(one.answer)
    return [_fate(one.answer, about.get(one.answer.id, []), id(one.answer) in stands) for one in given]


def now_called(store: Store, name: str) -> dict[str, str]:
    """What each class that was renamed is called now."""
    return called_now(LabelStore(store, name).renamings())


def _fate(answer: Answer, others: Sequence[Answer], stands: bool) -> str:
    """others: the answers about the image that stand."""
    if answer.kind == WITHDRAWN:
        return "a withdrawal"
    if not stands:
        return "replaced or withdrawn"
    return DISPUTED if any(meaning(other) != meaning(answer) for other in others) else ""


def _answers(store: Store, name: str, batches: Sequence[Stat], column: str, wanted: Sequence[str]) -> list[Given]:
    def look(stat: Stat) -> list[Given]:
        rows = rows_of(store, stat, column, wanted, ANSWERS.names)
        return [Given(Answer(**row), stat.key, name) for row in rows.cast(ANSWERS).to_pylist()] if rows else []

    return by_time(one for some in in_readers(look, batches) for one in some)
