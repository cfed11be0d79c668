"""Decide which answer holds for each image, where people answered several times or differently."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from components.labels.store import CLASS, SKIP, WITHDRAWN, Answer, Renaming, State

LATEST, MAJORITY = RULES = ("latest", "majority")


class Resolved(NamedTuple):
    """By image id. An image is in `held`, `none`, `skipped` or `open`, or nobody's answer stands."""

    held: dict[str, Answer]  # the answer that counts, its class as it is called now
    none: dict[str, Answer]  # none of the classes
    skipped: dict[str, Answer]  # passed over by everybody who saw it
    open: dict[str, list[Answer]]  # people disagree and the rule does not decide: one answer of each
    conflicts: dict[str, list[Answer]]  # people disagree, decided or not: the answer of each that stands


def resolve(state: State, rule: str = MAJORITY) -> Resolved:
    """The answers that hold.

    Of one person the last answer about an image stands, unless it is withdrawn. Where several disagree, `latest` takes
    the last answer, `majority` the one that more give than any other; where two are given equally often the image stays
    open. Whoever passed over has no say where others answered.
    """
    found = Resolved({}, {}, {}, {}, {})
    for image, answers in standing(renamed(state.answers, state.renamings)).items():
        said = [answer for answer in answers if answer.kind != SKIP]
        if not said:
            found.skipped[image] = answers[-1]
            continue
        votes = Counter(meaning(answer) for answer in said)
        if len(votes) > 1:
            found.conflicts[image] = said
        best = votes.most_common(2)
        if rule == MAJORITY and len(best) > 1 and best[0][1] == best[1][1]:
            found.open[image] = said
            continue
        winner = meaning(said[-1]) if rule == LATEST else best[0][0]
        held = next(answer for answer in reversed(said) if meaning(answer) == winner)
        (found.held if held.kind == CLASS else found.none)[image] = held
    return found


def standing(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    """By image the last answer of each person that is not withdrawn, by time; `answers` come by time."""
    last: dict[str, dict[str, Answer]] = {}
    for answer in answers:
        people = last.setdefault(answer.id, {})
        people.pop(answer.annotator, None)  # the newest goes last
        if answer.kind != WITHDRAWN:
            people[answer.annotator] = answer
    return {image: list(people.values()) for image, people in last.items() if people}


def renamed(answers: Iterable[Answer], renamings: Sequence[Renaming]) -> list[Answer]:
    """The answers with their classes as they are called now."""
    called = called_now(renamings)
    return [answer._replace(label=called.get(answer.label or "", answer.label)) for answer in answers]


def called_now(renamings: Sequence[Renaming]) -> dict[str, str]:
    """What each class that was renamed is called now; the renamings are followed in their order."""
    called: dict[str, str] = {}
    for renaming in renamings:
        called = {old: renaming.new if new == renaming.old else new for old, new in called.items()}
        called[renaming.old] = renaming.new
    return called


def meaning(answer: Answer) -> tuple[str, str | None]:
    return answer.kind, answer.label
