"""Decide what becomes of each entry of a file: accepted, known already, not answered, or refused with a reason."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from components.common.labels.answers import CLASS, NONE, OPEN, PERSON, SKIP, Line
from components.labels.images import Images, misnamed
from components.labels.nearest import LONG, listed, proposal
from components.labels.rules import meaning, renamed, standing
from components.labels.store import WITHDRAWN, Answer, Renaming, State

RESERVED = {"skip": SKIP, "none of these": NONE}  # labels that are no class, unless a class is called so
SKEW = timedelta(days=1)  # clocks of people are that far ahead at most
TICK = timedelta(microseconds=1)
NEVER = 1_000_000  # a round that never comes

Pair = tuple[str, str]  # an image's id, an annotator
ANYONE = ""  # in place of the annotator, where neither file nor command names one
ELSEWHERE, FEW = 0.5, 3  # share and least number of unknown images that make a file one of another project


class Given(NamedTuple):
    """What the command says of a file."""

    file: str  # its name, with which the places of its entries begin
    annotator: str | None  # of entries that name none
    round: int
    own_round: bool  # whether an entry's own round counts
    now: datetime
    new_classes: bool = False
    again: bool = False  # withdrawn answers are given anew


class Taken(NamedTuple):
    """An entry that may be an answer."""

    answer: Answer
    is_noted: bool  # whether its time is the entry's own
    is_named: bool  # whether file or command say who gave it; if not, it is nothing new where anybody says the same
    before: int  # round before which anybody's equal answer makes it nothing new: a run filled it in


class Refused(NamedTuple):
    where: str
    image: str
    label: str
    reason: str


class Judged(NamedTuple):
    """Every entry is in one of the first four."""

    accepted: list[Answer]
    refused: list[Refused]
    known: int
    unanswered: int
    changed: int  # of the accepted, those that differ from what the same person said before
    withdrawn: int  # of the known, those that were withdrawn since
    missing: list[Answer]  # standing answers of an earlier import of a file of this name, which are not in it now
    elsewhere: str  # the sentence that most images are unknown, where they are


def judge(lines: Sequence[Line], images: Images, state: State, given: Given) -> Judged:
    """What becomes of the entries of a file, given all that was said before."""
    classes = known_classes(images.classes, state)
    found = images.find(lines)
    refused: list[Refused] = []
    taken: list[Taken] = []
    seen: set[Pair] = set()
    unanswered = unknown = 0
    for line, image in zip(lines, found, strict=True):
        kind = _kind(line, classes)
        if kind == OPEN and not line.wrong:
            unanswered += 1
            continue
        reason = line.wrong or misnamed(line, image)
        if not reason and not image:
            unknown += 1
            reason = f"no image {line.image[:LONG]!r} in dataset {images.name}{images.proposal(line.image)}"
        who = line.annotator or given.annotator or PERSON
        seen |= {(image, who), (image, who if line.annotator or given.annotator else ANYONE)}
        reason = reason or _wrong_class(line, kind, classes, bool(images.classes), given) or _wrong_time(line, given)
        if reason:
            refused.append(Refused(line.where, line.image, line.label, reason))
            continue
        label = classes.get(line.label, line.label) if kind == CLASS else None
        turn = line.round if line.round and given.own_round else given.round
        answer = Answer(image, kind, label, who, line.time or given.now, line.where, turn)
        is_named = bool(line.annotator or given.annotator)
        taken.append(Taken(answer, line.time is not None, is_named, turn if line.is_prefilled else 0))
    named = len(lines) - unanswered - sum(bool(line.wrong) for line in lines)
    is_elsewhere = unknown >= FEW and unknown > ELSEWHERE * named
    said: dict[Pair, list[Answer]] = defaultdict(list)
    for before in renamed(state.answers, state.renamings):
        said[before.id, before.annotator].append(before)
    judged = _compared(taken, said, state, given)
    return judged._replace(
        refused=refused + judged.refused,
        unanswered=unanswered,
        missing=_missing(said, seen, given.file),
        elsewhere=_elsewhere(given.file, unknown, named, images) if is_elsewhere else "",
    )


def _compared(taken: list[Taken], said: dict[Pair, list[Answer]], state: State, given: Given) -> Judged:
    """The entries beside what the same people said before, in the file and elsewhere."""
    first: dict[tuple[str, Hashable], int] = {}  # image, meaning -> first round of the answers that stand
    for told in standing(renamed(state.answers, state.renamings)).values():
        for one in told:
            key = (one.id, meaning(one))
            first[key] = min(one.round, first.get(key, NEVER))
    entries: dict[Pair, list[Taken]] = defaultdict(list)
    for entry in taken:
        entries[entry.answer.id, entry.answer.annotator].append(entry)
    accepted: list[Answer] = []
    refused: list[Refused] = []
    known = changed = withdrawn = 0
    for pair, group in entries.items():
        if why := _contradiction(group, state.renamings):
            refused += [Refused(one.task, one.id, one.label or "", why) for one, *_ in group]
            continue
        history = list(said.get(pair, ()))
        for answer, is_noted, is_named, before in sorted(group, key=lambda one: one.answer.time):
            now = renamed([answer], state.renamings)[0]
            is_back = bool(history) and history[-1].kind == WITHDRAWN
            is_anyones = first.get((now.id, meaning(now)), NEVER) < (NEVER if not is_named and not history else before)
            is_known = is_anyones or _is_known(now, is_noted, history, given.file)
            if is_known and not (is_back and given.again):
                known += 1
                withdrawn += is_back
                continue
            if is_back and given.again:
                answer = answer._replace(time=max(given.now, history[-1].time + TICK))
            changed += bool(history) and not is_back and meaning(history[-1]) != meaning(now)
            accepted.append(answer)
            history = sorted([*history, now._replace(time=answer.time)], key=lambda one: one.time)
    return Judged(accepted, refused, known, 0, changed, withdrawn, [], "")


def _missing(said: dict[Pair, list[Answer]], seen: set[Pair], file: str) -> list[Answer]:
    """Standing answers that an earlier import of a file of this name gave, and that are not in it now."""
    last = (history[-1] for pair, history in said.items() if not {pair, (pair[0], ANYONE)} & seen)
    return [one for one in last if one.kind != WITHDRAWN and one.task.startswith(f"{file}:")]


def known_classes(of_source: Sequence[str], state: State) -> dict[str, str]:
    """Names that an answer may give, and how the store writes each: the source's classes, or where it has none those
    that were said; and all that renamings speak of.
    """
    names = {*of_source} or {answer.label for answer in state.answers if answer.kind == CLASS and answer.label}
    for renaming in state.renamings:
        if {renaming.old, renaming.new} & names:
            names |= {renaming.old, renaming.new}
    return {name.strip(): name for name in sorted(names)}


def _kind(line: Line, classes: dict[str, str]) -> str:
    if line.kind or line.label in classes:
        return line.kind or CLASS
    return RESERVED.get(line.label.casefold(), CLASS)


def _wrong_class(line: Line, kind: str, classes: dict[str, str], has_classes: bool, given: Given) -> str:
    if kind != CLASS or line.label in classes or (given.new_classes and not has_classes):
        return ""
    near = proposal(line.label, classes)
    if has_classes:
        return f"class {line.label[:LONG]!r} is not one of {listed(sorted(classes))}{near}"
    return f"class {line.label[:LONG]!r} is new{near}; --new-classes accepts it, since the source has no classes"


def _wrong_time(line: Line, given: Given) -> str:
    if line.time and line.time > given.now + SKEW:
        return f"time {line.time.isoformat()} has not come yet"
    return ""


def _contradiction(group: list[Taken], renamings: Sequence[Renaming]) -> str:
    """Why entries of one person about one image are refused: they differ, and nothing says which came last."""
    if all(one.is_noted for one in group) and len({one.answer.time for one in group}) == len(group):
        return ""
    first: dict[tuple[str, str | None], Answer] = {}
    for answer in renamed([one.answer for one in group], renamings):
        first.setdefault(meaning(answer), answer)
    if len(first) == 1:
        return ""
    told = " and ".join(f"{one.label or one.kind!r} ({one.task})" for one in first.values())
    return f"the same annotator says {told} of one image; keep one, or name the annotators"


def _is_known(answer: Answer, is_noted: bool, history: list[Answer], file: str) -> bool:
    """Whether a person's answer says nothing new. What nobody noted the time of is compared with what the file said
    before, so that an old file does not undo what was said elsewhere since.
    """
    given = [one for one in history if one.kind != WITHDRAWN]
    if is_noted and any(one.time == answer.time and meaning(one) == meaning(answer) for one in given):
        return True
    own = [one for one in given if one.task.startswith(f"{file}:")]
    last = own[-1:] if own and not is_noted else history[-1:]
    return bool(last) and meaning(last[0]) == meaning(answer)


def _elsewhere(file: str, unknown: int, named: int, images: Images) -> str:
    return (
        f"{file}: {unknown:,} of {named:,} images are not in dataset {images.name}; is it of another project? expected "
        f"ids such as {images.ids[0].as_py()[:12]}… or paths in the source such as {images.sources[0].as_py()!r}"
    )
