"""`gleaner labels push` and `pull`: the candidates go to Label Studio, the answers come from there."""

import argparse
from pathlib import Path
from typing import Any

from components.common.errors import BadInputError
from components.labels.candidates import newest_candidates
from components.labels.changes import take_back
from components.labels.images import images_of
from components.labels.importing import accept, newest_round, refused_csv, tell
from components.labels.judging import Given, judge
from components.labels.options import add_command, now, opened, whole, write_to
from components.labels.studio.client import VARIABLE, LabelStudio, read_token
from components.labels.studio.project import existing_project
from components.labels.studio.pull import annotations, origin
from components.labels.studio.push import push, unanswered

PUSH = f"""\
  export {VARIABLE}=...                              from Account & Settings there
  gleaner labels push -c my.yaml --url https://label.example.com
  gleaner labels push -c my.yaml --url https://label.example.com --project 7 --token-file ~/.label-studio
"""
PULL = """\
  gleaner labels pull -c my.yaml --url https://label.example.com
  gleaner labels pull -c my.yaml --url https://label.example.com --project 7
"""


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add `push` and `pull` to the sub-parsers."""
    made = add_command(
        commands,
        common,
        "push",
        "send what is asked to a project of Label Studio",
        "Send the images of the newest candidates to a project of Label Studio, which is made where there is none.\n"
        "Each goes there once: those that are there, or answered already, are not sent.",
        PUSH,
    )
    _where(made)
    made.add_argument(
        "--class",
        dest="classes",
        action="append",
        default=[],
        metavar="NAME",
        help="one more answer of a new project",
    )
    made.add_argument(
        "--annotators",
        type=whole,
        default=1,
        metavar="N",
        help="people who see each image of a new project (default 1)",
    )
    made.set_defaults(run=_push)
    made = add_command(
        commands,
        common,
        "pull",
        "fetch what was answered in a project of Label Studio",
        "Add the annotations of a project of Label Studio to the labels, skipped ones too: all that are new.",
        PULL,
    )
    _where(made)
    made.add_argument("--refused", metavar="FILE", type=Path, help="write what is refused, and why, as CSV")
    made.add_argument("--again", action="store_true", help="accept answers again that were withdrawn here")
    made.add_argument("--withdraw", action="store_true", help="take back what was pulled and is deleted there now")
    made.add_argument("--dry-run", action="store_true", help="write no answers")
    made.add_argument("-o", "--output", choices=["table", "json"], default="table")
    made.set_defaults(run=_pull, keep_going=True)


def _where(made: argparse.ArgumentParser) -> None:
    where = made.add_argument_group("which project")
    where.add_argument("--url", required=True, help="address of Label Studio's start page")
    where.add_argument("--project", default="", help="number or title of the project (default: the name)")
    where.add_argument("--token-file", default="", metavar="FILE", help=f"file with your token (else {VARIABLE} is it)")


def _push(options: argparse.Namespace) -> int:
    labels = opened(options)
    candidates = newest_candidates(labels.store, options.name)
    if candidates is None:
        raise BadInputError(
            f"{labels.store.uri}/candidates/{options.name}/: nobody is asked yet; run `gleaner run` first"
        )
    server = LabelStudio(options.url, read_token(options.token_file))
    classes = [*dict.fromkeys([*candidates.about["classes"], *options.classes])]
    asked, answered = unanswered(labels, candidates, options.rule)
    done = push(server, options.project or options.name, candidates, asked, classes, options.annotators)
    where = f"the {'new ' if done.made else ''}{done.project.told}"
    print(
        f"round {candidates.round}: {done.sent:,} images sent to {where}, {done.there:,} were there, "
        f"{answered:,} are answered already"
    )
    lacking = [name for name in candidates.about["classes"] if name not in done.project.choices]
    if lacking:
        print(f"it cannot be answered with {', '.join(lacking)}: add them to its labelling interface")
    print(f"label at {server.url}/projects/{done.project.number}/data, then: gleaner labels pull")
    return 0


def _pull(options: argparse.Namespace) -> int:
    labels = opened(options)
    server = LabelStudio(options.url, read_token(options.token_file))
    project = existing_project(server, options.project or options.name)
    name = origin(server, project)
    lines = list(annotations(server, project, options.name))
    turn = newest_round(labels, options.name)
    given = Given(name, None, turn, own_round=True, now=now(), new_classes=True, again=options.again)
    judged = judge(lines, images_of(labels.store, options.name), labels.read(), given)
    if options.refused:
        write_to(options.refused, refused_csv(judged.refused))
    if not options.dry_run:
        accept(labels, judged, keep_going=True)
    tell(labels, name, len(lines), judged, options, "gleaner labels pull --withdraw")
    if judged.refused and not judged.accepted and not judged.known:
        raise BadInputError(
            f"pull: {project.told}: none of its {len(lines):,} annotations is an answer about {options.name!r}; "
            "expected a project that push has filled"
        )
    if options.withdraw and judged.missing and not options.dry_run:
        take_back(labels, judged.missing)
        print(f"{len(judged.missing):,} answers are withdrawn")
    return 0
