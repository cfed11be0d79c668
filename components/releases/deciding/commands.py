"""The command line `gleaner release`: one module for a few commands, which adds its own sub-parsers."""

import argparse
import sys
from collections.abc import Callable, Sequence

from components.common.errors import BadInputError, FailedError
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
    """Run one command: exit code 0, 2 for the user's bad input (one line), 1 for a failure elsewhere, 130 after
    Ctrl-C.
    """
    made = parser()
    options = made.parse_args(argv)
    if not hasattr(options, "run"):
        made.print_help()
        return
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        code = run(options)
    except BadInputError as error:
        print(f"error: release: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except FailedError as error:
        print(f"error: release: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # `gleaner release history … | head`
        sys.stderr.close()
        raise SystemExit(141) from None
    if code:
        raise SystemExit(code)


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
