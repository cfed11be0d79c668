"""The command line `gleaner labels`: one module for each command or two, which adds its own sub-parser."""

import argparse
from collections.abc import Sequence

from components.common.commands import run_command
from components.labels import changes, exporting, importing, status
from components.labels.options import shared
from components.labels.studio.commands import add_commands as add_label_studio

EXAMPLES = """examples:
  gleaner labels import candidates.csv -c my.yaml      what people answered; also Label Studio, CVAT, class folders
  gleaner labels status -c my.yaml                     who said what, where people disagree, what waits
  gleaner labels export -c my.yaml -o csv              the answers that hold
  gleaner labels rename kat cat -c my.yaml             whoever said kat meant cat
  gleaner labels withdraw 3f9c12ab -c my.yaml          take answers back
  gleaner labels push --url URL -c my.yaml             ask in Label Studio, and `pull` what was answered there

-c my.yaml says which labels: `name`, `store` and `object_store` of a run configuration; --name and --store do too.
"""


def main(argv: Sequence[str] | None = None) -> None:
    run_command(parser(), argv)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="gleaner labels",
        description="Keep what people answered: every answer stays, with who, when and in which round.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(metavar="COMMAND")
    common = shared()
    importing.add_import(commands, common)
    exporting.add_export(commands, common)
    status.add_status(commands, common)
    changes.add_rename(commands, common)
    changes.add_withdraw(commands, common)
    add_label_studio(commands, common)
    return made
