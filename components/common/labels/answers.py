"""What answers are, as files hold them; and merge those of annotators: equal answers about an image count once,
different ones leave it open.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

CLASS, NONE, SKIP, OPEN = "class", "none", "skip", "open"
"""A class; none of the classes; passed over; not answered yet."""
PERSON = "person"  # an annotator whose name nobody gave


class Said(NamedTuple):
    """One answer: where it stands, the image's id, the class, and who gave it."""

    where: str
    image: str
    label: str
    annotator: str


class Line(NamedTuple):
    """One entry of a file that is imported: a row, an annotation, a task without any, a tagged image, a file."""

    where: str  # for people, beginning with the name of the file
    image: str  # as the file names it: an id, a path in the source
    label: str = ""
    kind: str = ""  # one of the four above; nothing: as the label says
    annotator: str = ""  # nothing where the file does not say
    time: datetime | None = None
    round: int = 0  # 0 where the file does not say
    digest: str = ""  # sha256 of the image's file, where that is at hand
    is_prefilled: bool = False  # perhaps: in a table of candidates, which comes with the labels that are known
    wrong: str = ""  # why the entry is refused


class Settled(NamedTuple):
    """By image: the answer that holds, and of those who disagree the first answer of each class."""

    answers: dict[str, Said]
    conflicts: dict[str, list[Said]]


def settled(said: Iterable[Said]) -> Settled:
    by_image: dict[str, dict[str, Said]] = {}
    for answer in said:
        by_image.setdefault(answer.image, {}).setdefault(answer.label, answer)
    return Settled(
        {image: next(iter(labels.values())) for image, labels in by_image.items() if len(labels) == 1},
        {image: list(labels.values()) for image, labels in by_image.items() if len(labels) > 1},
    )


def person(value: Any) -> str:
    """The name of an annotator, who may be a text, a number, or Label Studio's object with an e-mail address."""
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    name = " ".join(str(value).split()) if isinstance(value, str | int) else ""
    return name if name and is_text(name) else PERSON


def is_text(value: str) -> bool:
    """False for the halves of characters that JSON can spell and no file can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def moment(text: str) -> datetime:
    """A time in ISO 8601, of UTC where it names no zone. Raises ValueError."""
    time = datetime.fromisoformat(text.strip())
    return (time.replace(tzinfo=UTC) if time.tzinfo is None else time).astimezone(UTC)
