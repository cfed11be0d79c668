"""`gleaner labels status`: who said what, where people disagree, and what waits for an answer."""

import argparse
import json
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from components.common.artifacts import SPLITS
from components.common.audits import drawn
from components.common.labels.answers import CLASS, SKIP
from components.common.lineage import newest_dataset
from components.labels.agreement import Agreement, agreements
from components.labels.candidates import Candidates, newest_candidates
from components.labels.images import Images
from components.labels.options import add_command, opened
from components.labels.rules import Resolved, called_now, renamed, resolve, standing
from components.labels.store import WITHDRAWN, Answer, State

ELSEWHERE = "elsewhere"  # labelled images that the newest version of the dataset does not have
SHOWN = 10  # disagreements; -o wide tells all
DETAILS = """\
Tell what people answered: labels per class and purpose, what nobody could say, rounds, who answered how much, how far
they agree (Cohen's kappa: 1 always, 0 as by chance), where they disagree, and which picks of the newest candidates wait
for an answer. Labels that a run propagates are no answers, and not counted here."""
EXAMPLES = """\
  gleaner labels status -c my.yaml                 tables
  gleaner labels status -c my.yaml -o wide         every disagreement and class, not the first few
  gleaner labels status -c my.yaml -o json | jq .waits
"""


class Status(NamedTuple):
    """What is told; counts by split name their columns."""

    answers: int  # changes of mind too
    withdrawals: int
    classes: dict[str, dict[str, int]]  # labels that hold: class -> split -> images
    apart: dict[str, dict[str, int]]  # none of the classes, skipped, open -> split -> images
    rounds: dict[int, dict[str, Any]]
    people: dict[str, dict[str, Any]]
    agreement: list[Agreement]
    conflicts: list[dict[str, Any]]
    renamings: list[dict[str, str]]
    waits: dict[str, Any]


def add_status(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add `status` to the sub-parsers."""
    made = add_command(commands, common, "status", "who said what, and what waits", DETAILS, EXAMPLES)
    made.add_argument("-o", "--output", choices=["table", "wide", "json"], default="table")
    made.set_defaults(run=_status)


def _status(options: argparse.Namespace) -> int:
    labels = opened(options)
    dataset = newest_dataset(options.name, labels.store)
    images = Images(dataset) if dataset else None
    asked = newest_candidates(labels.store, options.name)
    audited = {image for look in drawn(labels.store, options.name) for image in look.answers.column("id").to_pylist()}
    status = status_of(labels.read(), options.rule, images, asked, audited)
    if options.output == "json":
        print(json.dumps(_plain(status), indent=1, ensure_ascii=False))
        return 0
    from components.labels.tables import tables

    print(f"labels of {options.name} in {labels.store.uri}")
    for line in tables(status, None if options.output == "wide" else SHOWN, options.rule):
        print(line)
    return 0


def status_of(
    state: State, rule: str, images: Images | None, asked: Candidates | None, audited: Collection[str] = ()
) -> Status:
    """images: of the newest dataset; asked: the newest candidates; audited: images of answers in production that were
    drawn for an audit.
    """
    answers = renamed(state.answers, state.renamings)
    given = [one for one in answers if one.kind != WITHDRAWN]
    stands = standing(answers)
    found = resolve(state, rule)
    about = images.about(stands) if images else {}
    split = {image: about[image][0] if image in about else ELSEWHERE for image in stands}
    now = called_now(state.renamings)
    names = {now.get(name, name) for name in images.classes} if images else set()
    classes: dict[str, Counter[str]] = {name: Counter() for name in names}
    for image, answer in found.held.items():
        classes.setdefault(answer.label or "", Counter())[split[image]] += 1
    apart: dict[str, Iterable[str]] = {"none of these": found.none, "skipped": found.skipped, "open": found.open}
    return Status(
        len(given),
        len(answers) - len(given),
        {name: dict(counts) for name, counts in sorted(classes.items())},
        {name: dict(Counter(split[image] for image in which)) for name, which in apart.items()},
        _rounds(given),
        _people(stands),
        agreements(stands),
        _conflicts(found),
        [{"old": one.old, "new": one.new, "annotator": one.annotator} for one in state.renamings],
        _waits(found, asked, audited),
    )


def _rounds(answers: list[Answer]) -> dict[int, dict[str, Any]]:
    """Of all that was said, changes of mind too."""
    rounds = {}
    for number in sorted({one.round for one in answers}):
        said = [one for one in answers if one.round == number]
        rounds[number] = {
            "answers": len(said),
            "images": len({one.id for one in said}),
            "people": len({one.annotator for one in said}),
            "last": max(one.time for one in said).isoformat(timespec="seconds"),
        }
    return rounds


def _people(stands: dict[str, list[Answer]]) -> dict[str, dict[str, Any]]:
    """Of the answers that stand."""
    said = [one for told in stands.values() for one in told]
    people = {}
    for who in sorted({one.annotator for one in said}):
        own = [one for one in said if one.annotator == who]
        kinds = Counter(one.kind for one in own)
        people[who] = {
            "answers": len(own),
            "class": kinds[CLASS],
            "none": len(own) - kinds[CLASS] - kinds[SKIP],
            "skip": kinds[SKIP],
            "last": max(one.time for one in own).isoformat(timespec="seconds"),
        }
    return people


def _conflicts(found: Resolved) -> list[dict[str, Any]]:
    """By image, who said what, and what holds; nothing holds where that is open."""
    told = []
    for image, answers in sorted(found.conflicts.items()):
        held = found.held.get(image) or found.none.get(image)
        said = [
            {"annotator": one.annotator, "answer": said_of(one), "where": one.task, "time": one.time.isoformat()}
            for one in answers
        ]
        told.append({"id": image, "said": said, "holds": said_of(held) if held else None})
    return told


def said_of(answer: Answer) -> str:
    return answer.label or ("none of these" if answer.kind != SKIP else "skip")


def _waits(found: Resolved, asked: Candidates | None, audited: Collection[str]) -> dict[str, Any]:
    """Picks of the newest candidates that nobody has answered, by purpose, and images of the audit; nothing where
    nobody was asked.
    """
    if asked is None:
        return {}
    picks = asked.picks()
    answered = found.held.keys() | found.none.keys() | found.skipped.keys()
    ids, purposes = picks.column("id").to_pylist(), picks.column("purpose").to_pylist()
    counts = {
        purpose: {
            "picks": purposes.count(purpose),
            "waiting": sum(a == purpose and b not in answered for a, b in zip(purposes, ids, strict=True)),
        }
        for purpose in SPLITS
        if purpose in purposes
    }
    if audited:
        counts["audit"] = {"picks": len(audited), "waiting": sum(image not in answered for image in audited)}
    return {"candidates": asked.key, "round": asked.round, "purposes": counts}


def _plain(status: Status) -> dict[str, Any]:
    """As JSON tells it."""
    agreement = [{**one._asdict(), "people": [*one.people]} for one in status.agreement]
    return {**status._asdict(), "agreement": agreement}
