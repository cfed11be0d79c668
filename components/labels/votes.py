"""Read a file of answers as votes of people, as far as it says who gave them."""

from collections.abc import Iterable
from datetime import UTC, datetime

from components.common.labels.answers import PERSON, Said
from components.labels.store import CLASS, Answer

UNDATED = datetime(1970, 1, 1, tzinfo=UTC)


def votes(said: Iterable[Said]) -> list[Answer]:
    """The answers of a file, in its order. Each that names nobody is somebody's of its own, since nobody knows of how
    many people they are; what stands later counts as said later.
    """
    return [
        Answer(each.image, CLASS, each.label, _voter(each, number), UNDATED, each.where, 0)
        for number, each in enumerate(said)
    ]


def is_unnamed(vote: Answer) -> bool:
    """Whether a vote of a file names nobody."""
    return vote.annotator.startswith(f"{PERSON} ") and vote.time == UNDATED


def _voter(said: Said, number: int) -> str:
    return f"{PERSON} {number}" if said.annotator == PERSON else said.annotator
