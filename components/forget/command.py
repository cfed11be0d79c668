"""The command `gleaner forget`: what would go, a question, and what is gone."""

import argparse
import getpass
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from components.common.commands import run_command
from components.common.errors import BadInputError
from components.common.storage import open_store
from components.forget.asked import Left, ids_of, known_of, left_in_source, task_of
from components.forget.forgetting import Places, forget, look
from components.forget.hand import Change
from components.forget.here import alone
from components.forget.journal import Task, unfinished
from components.forget.telling import tell, tell_changes, tell_end, tell_source

EXAMPLES = """examples:
  gleaner forget -c my.yaml photos/ann.jpg --dry-run    what would go, and which releases learned from it
  gleaner forget -c my.yaml 3f9c12ab 77ab01             images by the first digits of their ids
  gleaner forget -c my.yaml photos/ann.jpg --source --train    and from the source; then train without it
  gleaner forget -c my.yaml                             go on with what was begun, as after a kill

The images leave every version of every dataset of the store, labels, candidates, logs, releases and looks, the runs in
.gleaner and the copies of shards on this machine. Their ids stay, as tombstones: nothing takes them in again.

What it cannot undo: the weights of models that learned from them, until these are replaced (they are listed). What it
does not see: artifacts of runs in the pipeline root of Kubeflow, and answers that were written elsewhere, unless --also
names the place; copies of shards on other machines; versions of objects that a bucket keeps itself. The source is
yours: you are told which files still stand there, and --source removes them.
"""


def main(argv: Sequence[str] | None = None) -> None:
    run_command(parser(), argv)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="gleaner forget",
        description="Forget images: take all of them out of a store and of this machine, for ever.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("images", metavar="ID|FILE", nargs="*", help="an id, its first six digits or more, or a file")
    made.add_argument("-c", "--config", metavar="CONFIG", help="run configuration that says store, source and the like")
    made.add_argument("--store", metavar="STORE", help="its `store`: s3://bucket/prefix or a folder")
    made.add_argument("--object-store", metavar="DIR", help="the folder that its `object_store` names")
    made.add_argument(
        "--from", metavar="SOURCE", dest="place", default="", help="its `source`, to say what it still has"
    )
    made.add_argument("--source", action="store_true", help="remove their files from the source, too")
    made.add_argument(
        "--workdir",
        metavar="DIR",
        type=Path,
        default=Path(".gleaner"),
        help="where runs are kept (default: %(default)s)",
    )
    made.add_argument(
        "--also", metavar="PLACE", action="append", default=[], help="a folder or s3:// prefix with copies, or a log"
    )
    made.add_argument("--dry-run", action="store_true", help="say what would go, and change nothing")
    made.add_argument("--yes", action="store_true", help="do not ask")
    made.add_argument("--train", action="store_true", help="then train without them: gleaner run CONFIG")
    made.add_argument("--submit", action="store_true", help="then train without them: gleaner submit CONFIG")
    made.set_defaults(run=_run)
    return made


def _run(options: argparse.Namespace) -> int:
    if options.config is not None or options.object_store is not None or options.train or options.submit:
        raise BadInputError("-c, --object-store, --train and --submit are understood by `gleaner`; here give --store")
    if not options.store:
        raise BadInputError("which store? give -c my.yaml, a run configuration, or --store STORE")
    store = open_store(options.store)
    places = Places(store, options.workdir, [open_store(place) for place in options.also])
    begun = unfinished(store)
    ids = ids_of(options.images, store)
    every = [*dict.fromkeys([*ids, *(image for task in begun for image in task.ids)])]
    known = known_of(store, every)
    new = [image for image in ids if not any(image in task.ids for task in begun)]
    tasks = [*begun, *([task_of(new, _now(), known)] if new else [])]
    if not tasks:
        raise BadInputError("which images? nothing is left to go on with; give an ID or a FILE")
    left, why = left_in_source(options.place, known.held, every)
    with nullcontext() if options.dry_run else alone(options.workdir):
        seen = [look(places, task) for task in tasks]
        changes = [change for some, _ in seen for change in some]
        tasks = [task for _, task in seen]
        tell(tasks, known, ids)
        tell_changes(changes, done=False)
        tell_source(left, why, options.source, done=False)
        if options.dry_run:
            print("nothing was changed: without --dry-run it is")
            return 0
        _ask(options.yes, tasks)
        _forget(places, tasks, left if options.source else [])
    tell_source(left, why, options.source, done=True)
    return 0


def _forget(places: Places, tasks: list[Task], files: list[Left]) -> None:
    changes: list[Change] = []
    for task in tasks:
        changes += forget(places, task, _person(), _now(), files)
    tell_changes(changes, done=True)
    tell_end(tasks, Counter(one for task in tasks for one in task.learned))


def _ask(is_sure: bool, tasks: list[Task]) -> None:
    """Go on only where somebody says so."""
    count = sum(len(task.ids) for task in tasks)
    what = f"{count:,} image{'s' * (count != 1)}"
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise BadInputError(f"nobody to ask whether to forget {what}: say --yes, or --dry-run to look only")
    if input(f"Forget {what} for ever? [y/N] ").strip().lower() not in ("y", "yes"):
        raise BadInputError("nothing was changed")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return ""
