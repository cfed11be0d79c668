"""A command line of several commands, and how each of them ends."""

import argparse
import sys
from collections.abc import Callable, Sequence

from components.common.errors import BadInputError, FailedError


def run_command(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> None:
    """Run the `run` that a command set: exit code 0, 2 for the user's bad input (one line), 1 for a failure elsewhere
    (one line) or a bug, 130 after Ctrl-C. Without a command, the help.

    `parser`: its `prog` ends in the word that a line of error begins with.
    """
    options = parser.parse_args(argv)
    if not hasattr(options, "run"):
        parser.print_help()
        return
    name = parser.prog.rpartition(" ")[2]
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        code = run(options)
    except BadInputError as error:
        print(f"error: {name}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except FailedError as error:
        print(f"error: {name}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # `gleaner labels export … | head`
        sys.stderr.close()
        raise SystemExit(141) from None
    if code:
        raise SystemExit(code)
