"""`gleaner monitor history`: the looks at a model, and what each of them started."""

import argparse
from collections.abc import Sequence
from typing import Any

from components.common.commands import run_command
from components.common.files import json_text
from components.common.storage import Store, open_store
from components.monitor.claims import claims, started
from components.monitor.looks import looks
from components.releases.deciding.listing import table

COLUMNS = ("look", "since", "until", "images", "version", "verdict", "training")


def main(argv: Sequence[str] | None = None) -> None:
    run_command(parser(), argv)


def parser() -> argparse.ArgumentParser:
    """For `python -m components.monitor`, which `gleaner` calls with a configuration's store and name."""
    made = argparse.ArgumentParser(
        prog="gleaner monitor", description="The watch over a released model: what its looks found."
    )
    commands = made.add_subparsers(metavar="COMMAND")
    history = commands.add_parser(
        "history",
        help="every look, the oldest first",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Every look at a model, the oldest first: what it found, and the training run that it started.",
        epilog="examples:\n  gleaner monitor history -c my.yaml\n"
        "  gleaner monitor history --store s3://bucket/gleaner --name mnist -o json",
    )
    history.add_argument("--store", required=True, help="folder or s3:// URI, the `store` of a run configuration")
    history.add_argument("--name", required=True, help="of the model")
    history.add_argument("-o", "--output", choices=("table", "json"), default="table", help="default: table")
    history.set_defaults(run=_history)
    return made


def _history(options: argparse.Namespace) -> int:
    store = open_store(options.store)
    found = looks(store, options.name)
    trainings = _trainings(store, options.name)
    if options.output == "json":
        print(json_text([{**look, "training": trainings.get(look["number"])} for look in found]), end="")
    elif not found:
        print(f"no look at {options.name} was published in {options.store} yet; `gleaner monitor` makes one")
    else:
        table([COLUMNS], [_row(look, trainings.get(look["number"])) for look in found])
    return 0


def _trainings(store: Store, model: str) -> dict[int, dict[str, Any]]:
    """What looks have started, by their numbers: the claim, and in `started` the run, null where it has not begun."""
    return {
        claim.look: {**vars(claim), "started": started(store, model, claim.number)} for claim in claims(store, model)
    }


def _row(look: dict[str, Any], training: dict[str, Any] | None) -> dict[str, Any]:
    verdict = look["verdict"]
    run = training and (training["started"] or {"name": "claimed, not begun"})
    return {
        "look": look["number"],
        "since": _minute(look["since"]),
        "until": _minute(look["until"]),
        "images": f"{look['images']:,}",
        "version": look["version"],
        "verdict": ("ALARM: " if verdict["alarm"] else "") + verdict["title"],
        "training": run.get("link") or run.get("name") or "started" if run else "",
    }


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
