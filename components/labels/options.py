"""Flags that the commands about labels share, and what they open."""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.common.errors import BadInputError
from components.common.files import write_text
from components.common.storage import open_store
from components.labels.rules import MAJORITY, RULES
from components.labels.store import LabelStore

WHERE = "give -c my.yaml, a run configuration, or --name NAME --store STORE"


def shared() -> argparse.ArgumentParser:
    """Parent of every command's parser: which labels are meant, and which answer holds."""
    made = argparse.ArgumentParser(add_help=False)
    add_which(made).add_argument(
        "--rule", choices=RULES, default=MAJORITY, help="which answer holds where people disagree (default: the run's)"
    )
    return made


def add_which(parser: argparse.ArgumentParser) -> Any:
    """The flags that say which labels are meant, as a group of their own."""
    which = parser.add_argument_group("which labels")
    which.add_argument("-c", "--config", metavar="CONFIG", help="run configuration that says name, store and the like")
    which.add_argument("--name", metavar="NAME", help="the `name` of a run configuration")
    which.add_argument("--store", metavar="STORE", help="its `store`: s3://bucket/prefix or a folder")
    which.add_argument("--object-store", metavar="DIR", help="the folder that its `object_store` names")
    return which


def add_command(
    commands: Any, common: argparse.ArgumentParser, name: str, about: str, details: str, examples: str
) -> argparse.ArgumentParser:
    """A sub-parser with the shared flags. about: a line; details: what the command's own help says on top."""
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=details,
        epilog=f"examples:\n{examples}",
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return made


def opened(options: argparse.Namespace) -> LabelStore:
    """The labels that the flags name."""
    if options.config is not None or options.object_store is not None:
        raise BadInputError("-c and --object-store are understood by `gleaner`; here give --name and --store")
    if not options.name or not options.store:
        raise BadInputError(f"which labels? {WHERE}")
    return LabelStore(open_store(options.store), options.name)


def now() -> datetime:
    return datetime.now(UTC)


def write_to(path: Path, text: str) -> None:
    """Write a file that a flag names, whole or not at all; BadInputError where it cannot be written."""
    try:
        write_text(path, text)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written: {error.strerror}; name another file") from None


def whole(text: str) -> int:
    """A number from 1, for argparse."""
    if not text.isdecimal() or not 0 < int(text) < 10_000:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a number from 1 to 9999")
    return int(text)
