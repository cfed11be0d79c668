"""What a round of labelling asks, whether its labels are enough to train on, and what people are told."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from components.common.artifacts import TRAIN, Dataset, Waiting
from components.common.data.classes import Classes, classes_of
from components.common.errors import BadInputError
from components.sample.answers import Answer, Answers
from components.sample.known import passed_over
from components.sample.picks import Pick
from components.sample.settings import SampleSettings
from components.sample.training import too_few

LEAST = 2  # classes with a training label: a classifier has something to tell apart
HOW = {  # by label_access
    "file": (
        "fill in {table}, or import the labelstudio.json beside it into Label Studio; name the answers as "
        "sample.labels_file and run again"
    ),
    "store": (
        "label them on the page that `gleaner label` opens, or fill in {table} and read it with `gleaner labels "
        "import`; then run again"
    ),
}


@dataclass(frozen=True)
class Round:
    picks: list[Pick]  # that people are asked about
    answers: dict[int, Answer]  # by row
    classes: Classes
    training_labels: int
    settings: SampleSettings
    number: int = 1  # of the round: one more than the highest that has an answer
    notes: Sequence[str] = ()  # sentences for people

    @property
    def unanswered(self) -> list[Pick]:
        """Picks without a label."""
        return [pick for pick in self.picks if pick.row not in self.answers]

    @property
    def to_look_for(self) -> str:
        """The classes that still lack a training label, in words; empty where none does, or all do."""
        return self.classes.told() if self.classes.trained and self.classes.missing else ""

    @property
    def spent(self) -> bool:
        """Whether every pick for training has its label."""
        return not any(pick.purpose == TRAIN for pick in self.unanswered)


def round_of(
    dataset: Dataset,
    picks: list[Pick],
    answers: dict[int, Answer],
    labels: pa.Table,
    known: Answers,
    settings: SampleSettings,
) -> Round:
    """picks: that people are asked about. Classes are the source's as people call them now, or those that the labels
    name where it has none.
    """
    names = list(known.classes or dataset.classes) or sorted(set(labels.column("label").to_pylist()))
    training = labels.column("purpose").to_pylist().count(TRAIN)
    notes = [told for told in (passed_over(known.passed.values()), too_few(names, settings)) if told]
    return Round(picks, answers, classes_of(labels, names), training, settings, known.round + 1, notes)


def lacking(now: Round) -> str:
    """What is missing to train on; empty where nothing is.

    Raises BadInputError where nobody is asked, for then no label will come.
    """
    if len(now.classes.trained) >= LEAST:
        return ""
    have = "no image has a training label yet"
    if now.training_labels:
        only = now.classes.trained[0]
        have = f"all training labels, {now.training_labels:,}, are of class {only!r}, and two classes are needed"
    if now.settings.label_access in HOW:
        return have
    raise BadInputError(
        f"{have} (label_access: {now.settings.label_access}); raise sample.train_budget (now "
        f"{now.settings.train_budget}) where the source has more labels, or set label_access: store to let people label"
    )


def waiting_for(now: Round, why: str, candidates: str) -> Waiting:
    """What the run waits for. why: from `lacking`; candidates: their key under the store."""
    needs = HOW[now.settings.label_access].format(table="its candidates.csv")
    if now.spent:
        needs = f"{_raise_budget(now)}, and run again"
    return Waiting("sample", why, len(now.unanswered), candidates, needs)


def guide(now: Round, why: str, table: str) -> list[str]:
    """Sentences for the top of the contact sheet: what is waited for, what to do, which classes to look for.

    why: from `lacking`; table: candidates.csv, as the reader finds it.
    """
    told = []
    if now.settings.label_access in HOW and now.unanswered:
        waits = f", and the run waits for them: {why}" if why else ""
        told.append(f"{len(now.unanswered):,} of these images have no label yet{waits}.")
        told.append(sentence_case(HOW[now.settings.label_access].format(table=table)))
    if now.to_look_for:
        told.append(f"Look for the classes without a training label, {now.to_look_for}: no model predicts them yet.")
        if now.spent:
            told.append(sentence_case(f"every pick for training is labelled: {_raise_budget(now)}"))
    return told + list(now.notes)


def _raise_budget(now: Round) -> str:
    return f"raise sample.train_budget (now {now.settings.train_budget}) to be asked for more images"


def sentence_case(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
