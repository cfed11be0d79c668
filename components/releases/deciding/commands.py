"""The command line `gleaner release`: one module for a few commands, which adds its own sub-parsers."""

import argparse
from collections.abc import Sequence

from components.common.commands import run_command
from components.releases.deciding import listing, verdicts
from components.releases.deciding.options import deciding, shared
from components.releases.verify import add_verify

EXAMPLES = """examples:
  gleaner release list -c my.yaml                             every release, and what became of it
  gleaner release show 3f9c12ab -c my.yaml                    one of them
  gleaner release approve 3f9c12ab -c my.yaml --why "better"  make it the champion
  gleaner release reject 3f9c12ab -c my.yaml --why "worse"    no run promotes it any more
  gleaner release rollback -c my.yaml --why "complaints"      go back to the champion before
  gleaner release history -c my.yaml                          who, when, from what, why
  gleaner release verify -c my.yaml                           every byte of the champion, and what it was made from
  gleaner release reproduce -c my.yaml                        run again from what it recorded, and compare the bytes
  gleaner release list s3://bucket/gleaner/releases/mnist     without a configuration

-c my.yaml says which releases: `name`, `store` and `object_store` of a run configuration; --name and --store do too, or
a place as the first word.
"""


def main(argv: Sequence[str] | None = None) -> None:
    run_command(parser(), argv)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="gleaner release",
        description="The releases of a model: which is its champion, and who decided that.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(metavar="COMMAND")
    common = shared()
    deciders = [common, deciding()]
    listing.add_list(commands, common)
    listing.add_show(commands, common)
    verdicts.add_approve(commands, deciders)
    verdicts.add_reject(commands, deciders)
    verdicts.add_rollback(commands, deciders)
    verdicts.add_sync(commands, deciders)
    listing.add_history(commands, common)
    add_verify(commands)
    return made
