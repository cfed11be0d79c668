"""`gleaner labels rename` and `withdraw`: what was said stays as it was given; that it means something else now, or
nothing any more, is added.
"""

import argparse
from collections.abc import Sequence
from typing import Any

from components.common.errors import BadInputError
from components.common.labels.answers import PERSON
from components.common.lineage import newest_dataset
from components.common.names import class_name
from components.labels.images import images_of
from components.labels.importing import file_name, lines_of
from components.labels.judging import TICK, Given, judge
from components.labels.nearest import PREFIX, listed, proposal
from components.labels.options import add_command, now, opened
from components.labels.rules import called_now, renamed, standing
from components.labels.store import CLASS, WITHDRAWN, Answer, LabelStore

RENAME = """\
  gleaner labels rename kat cat -c my.yaml           a class was misspelt
  gleaner labels rename kitten cat -c my.yaml        a class is merged into another
  gleaner labels rename cat kat -c my.yaml           and back
"""
WITHDRAW = """\
  gleaner labels withdraw 3f9c12ab -c my.yaml                  what everybody said of one image
  gleaner labels withdraw 3f9c12ab --annotator ann -c my.yaml  what ann said of it
  gleaner labels withdraw --file answers.csv -c my.yaml        all that came with a file
  gleaner labels withdraw --not-in answers.csv -c my.yaml      what an earlier answers.csv said and this one does not
"""


def add_rename(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add `rename` to the sub-parsers."""
    made = add_command(
        commands,
        common,
        "rename",
        "call a class by another name, or merge it into one",
        "Record that class OLD is called NEW, or is merged into NEW where that is a class already.\n"
        "Answers stay as they were given; whoever said OLD, before or after, meant NEW.",
        RENAME,
    )
    made.add_argument("old", metavar="OLD")
    made.add_argument("new", metavar="NEW")
    made.add_argument("--annotator", metavar="WHO", default=PERSON, help="who says so (default: %(default)s)")
    made.set_defaults(run=_rename)


def _rename(options: argparse.Namespace) -> int:
    labels = opened(options)
    old, new = class_name(options.old), class_name(options.new)
    state = labels.read()
    answers = [one for one in renamed(state.answers, state.renamings) if one.kind == CLASS]
    dataset = newest_dataset(options.name, labels.store)
    called = called_now(state.renamings)
    classes = {called.get(name, name) for name in dataset.classes} if dataset else set()
    classes |= {one.label or "" for one in answers}
    if not new or old == new:
        raise BadInputError(f"rename: got {options.old!r} and {options.new!r}; expected two names of classes")
    if old not in classes:
        raise BadInputError(
            f"rename: there is no class {old!r}{proposal(old, classes)}; expected one of "
            f"{listed(sorted(classes)) or 'those that people answer, of which there are none yet'}"
        )
    labels.rename(old, new, options.annotator, now())
    count = sum(one.label == old for one in answers)
    if new in classes:
        print(f"{old} is merged into {new}: {count:,} answers")
    else:
        print(f"{old} is called {new} now: {count:,} answers; gleaner labels rename {new} {old} calls it back")
    return 0


def add_withdraw(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add `withdraw` to the sub-parsers."""
    made = add_command(
        commands,
        common,
        "withdraw",
        "take answers back",
        "Take answers back: those about the images ID…, of one annotator, of one imported file, or, where several of\n"
        "these are given, those that fit all. What was said stays in the store, and so does that it was withdrawn.",
        WITHDRAW,
    )
    made.add_argument("ids", metavar="ID", nargs="*", help=f"of images; {PREFIX} first characters do")
    made.add_argument("--annotator", metavar="WHO", help="answers of this person")
    made.add_argument("--file", metavar="NAME", help="answers that came with a file of this name")
    made.add_argument("--not-in", metavar="FILE", help="answers of earlier imports of FILE that are not in it now")
    made.add_argument("--dry-run", action="store_true", help="only tell how many")
    made.set_defaults(run=_withdraw)


def _withdraw(options: argparse.Namespace) -> int:
    labels = opened(options)
    if not (options.ids or options.annotator or options.file or options.not_in):
        raise BadInputError("withdraw: which answers? expected ids of images, --annotator, --file or --not-in")
    state = labels.read()
    answers = [one for told in standing(state.answers).values() for one in told]
    if options.ids:
        wanted = _meant(options.ids, sorted({one.id for one in answers}))
        answers = [one for one in answers if one.id in wanted]
    if options.annotator:
        answers = [one for one in answers if one.annotator == options.annotator]
    if options.file:
        answers = [one for one in answers if one.task.startswith(f"{options.file}:")]
    if options.not_in:
        name = file_name(options.not_in)
        lines = lines_of(options.not_in, name)
        given = Given(name, options.annotator, 1, False, now())
        judged = judge(lines, images_of(labels.store, options.name), state, given)
        if judged.elsewhere:
            raise BadInputError(f"withdraw: {judged.elsewhere}")
        missing = {(one.id, one.annotator) for one in judged.missing}
        answers = [one for one in answers if (one.id, one.annotator) in missing]
    if not answers:
        raise BadInputError("withdraw: no answer that holds fits; gleaner labels export --all lists them")
    if not options.dry_run:
        take_back(labels, answers)
    done = "would be withdrawn: --dry-run" if options.dry_run else "are withdrawn"
    print(f"{len(answers):,} answers about {len({one.id for one in answers}):,} images {done}")
    return 0


def take_back(labels: LabelStore, answers: Sequence[Answer]) -> None:
    """Record that these answers are withdrawn."""
    moment = max([now(), *(one.time + TICK for one in answers)])
    labels.append(
        [one._replace(kind=WITHDRAWN, label=None, time=moment, task=f"withdrawn {one.task}") for one in answers]
    )


def _meant(given: list[str], ids: list[str]) -> set[str]:
    """The ids that begin as given; BadInputError where that is none, or several."""
    found = set()
    for text in given:
        fits = [one for one in ids if one.startswith(text.lower())] if len(text) >= PREFIX else []
        if len(fits) != 1:
            several = f"it begins {len(fits):,} ids" if fits else "nobody has answered about such an image"
            raise BadInputError(
                f"withdraw: {text!r}: {several}; expected an id, or {PREFIX} characters or more that begin one"
            )
        found.add(fits[0])
    return found
