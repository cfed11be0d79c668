"""`gleaner labels rename` and `withdraw`: what was said stays as it was given; that it means something else now, or
nothing any more, is added.
"""

import argparse
from typing import Any

from components.common.errors import BadInputError
from components.common.labels.answers import PERSON
from components.common.names import class_name
from components.labels.nearest import listed, proposal
from components.labels.options import add_command, now, opened
from components.labels.rules import renamed
from components.labels.store import CLASS

RENAME = """\
  gleaner labels rename kat cat -c my.yaml           a class was misspelt
  gleaner labels rename kitten cat -c my.yaml        a class is merged into another
  gleaner labels rename cat kat -c my.yaml           and back
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
    classes = {one.label or "" for one in answers}
    if not new or old == new:
        raise BadInputError(f"rename: got {options.old!r} and {options.new!r}; expected two names of classes")
    if old not in classes:
        raise BadInputError(
            f"rename: nobody has answered {old!r} yet{proposal(old, classes)}; the answers so far are "
            f"{listed(sorted(classes)) or 'none'}"
        )
    labels.rename(old, new, options.annotator, now())
    count = sum(one.label == old for one in answers)
    if new in classes:
        print(f"{old} is merged into {new}: {count:,} answers")
    else:
        print(f"{old} is called {new} now: {count:,} answers; gleaner labels rename {new} {old} calls it back")
    return 0
