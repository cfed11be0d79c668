"""Merge the answers of annotators: equal answers about an image count once, different ones leave it open."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Said(NamedTuple):
    """One answer: where it stands, the image's id, the class, and who gave it."""

    where: str
    image: str
    label: str
    annotator: str


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
    return name if name and is_text(name) else "person"


def is_text(value: str) -> bool:
    """False for the halves of characters that JSON can spell and no file can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
