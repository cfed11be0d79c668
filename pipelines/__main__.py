"""The command line `gleaner`."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from components.common.errors import BadInputError, FailedError
from pipelines import handover
from pipelines.circle import commands as circle
from pipelines.collecting import commands as collecting
from pipelines.compiling import commands as compiling
from pipelines.configuration import commands as configuration
from pipelines.images import commands as images
from pipelines.kubeflow import commands as kubeflow
from pipelines.local import batch, monitor
from pipelines.local import commands as local
from pipelines.reproducing import commands as reproducing

EXAMPLES = """examples:
  gleaner example mnist demo/mnist              write 5,000 real digits as a folder of class sub-folders
  gleaner run pipelines/configs/mnist.yaml      all eight stages, from that folder to a release
  gleaner run my.yaml pretrain.epochs=5         the same with one setting changed
  gleaner config show my.yaml                   every setting of a run, defaults included
  gleaner submit my.yaml --wait                 the same on Kubeflow Pipelines
  gleaner schedules apply --file FILE           make recurring runs equal to a file in Git
  gleaner images build                          the images that pods run in, from the last commit
  gleaner predict --object-store demo/objects s3://gleaner/releases/mnist photo.png
  gleaner batch s3://b/store/releases/mnist s3://b/in -o s3://b/answers.parquet --workers 4
  gleaner release list -c my.yaml               every release; approve, reject, rollback, history
  gleaner lineage photo.png -c my.yaml          which releases learned from an image, and what came of what
  gleaner serve -c my.yaml                      answer over HTTP with the champion
  gleaner monitor -c my.yaml                    has what it answers drifted; history: every look
  gleaner label -c my.yaml                      label images in the browser, with the keyboard
  gleaner labels status -c my.yaml              what people answered, where they disagree, what waits
  gleaner forget -c my.yaml photo.png           take an image out of all that was made of it
  gleaner store demo/objects aws s3 ls s3://gleaner --recursive
  gleaner store gc s3://bucket/prefix           what nothing names any more; --delete removes it
"""


def main(argv: list[str] | None = None) -> None:
    """Run one sub-command: exit code 0, 2 for the user's bad input (one line), 1 for a bug, 130 after Ctrl-C."""
    words = sys.argv[1:] if argv is None else argv
    try:
        if words[:2] == ["release", "reproduce"]:
            raise SystemExit(reproducing.main(words[2:]))
        if words[:1] == ["forget"] and {*words} & handover.TRAINING.keys():
            words = _after_forgetting(words)
        if handover.is_component_s(words):  # all that follows belongs to the component's own command
            _become(*handover.command(words[0], words[1:]))
        if words[:1] == ["batch"]:
            words = ["batch", *handover.reached("batch", words[1:])]
        options = _parser().parse_args(collecting.one_word(words))
        run: Callable[[argparse.Namespace], int] = options.run
        raise SystemExit(run(options))
    except BadInputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except FailedError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # `gleaner config show … | head`
        sys.stderr.close()
        raise SystemExit(141) from None


def _after_forgetting(words: list[str]) -> list[str]:
    """Forget images by a process of its own, and return the command that trains without them."""
    rest, then = handover.then_train(words[1:])
    code = subprocess.run([sys.executable, "-m", "pipelines", "forget", *rest], env=_environment()).returncode
    if code or "--dry-run" in rest:
        raise SystemExit(code)
    return then


class _Parser(argparse.ArgumentParser):
    """A parser whose groups, named without a command, print their help; argparse makes its sub-parsers of it too."""

    def add_subparsers(self, **options: Any) -> Any:
        self.set_defaults(run=self._help)
        return super().add_subparsers(**{**options, "required": False})

    def _help(self, options: argparse.Namespace) -> int:
        self.print_help()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="gleaner",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="From a folder of images and a few labels to a calibrated, released classifier.",
    )
    parser.add_argument("--version", action="version", version=_version_line())
    commands = parser.add_subparsers(metavar="COMMAND")

    local.add_run(commands)
    batch.add_batch(commands)
    circle.add_circle(commands)
    monitor.add_monitor(commands)
    compiling.add_commands(commands)
    configuration.add_commands(commands)
    local.add_store(commands)
    collecting.add_gc(commands)
    kubeflow.add_commands(commands)
    images.add_commands(commands)
    commands.add_parser("example", help="write an example data set as a folder: gleaner example NAME DIR")
    commands.add_parser("predict", help="classify images with a release: gleaner predict RELEASE IMAGES…")
    commands.add_parser("release", help="decide: gleaner release list|show|verify|reproduce|approve|reject|rollback|…")
    commands.add_parser("lineage", help="what came of what: gleaner lineage RELEASE|IMAGE|LABEL -c my.yaml")
    commands.add_parser("serve", help="answer over HTTP with a release: gleaner serve RELEASE")
    commands.add_parser("label", help="a page to label on, in the browser: gleaner label -c my.yaml")
    commands.add_parser("labels", help="what people answered: gleaner labels import|export|status|rename|withdraw")
    commands.add_parser("forget", help="take images out of a store for ever: gleaner forget -c my.yaml ID|FILE…")
    commands.add_parser("version", help="print the version").set_defaults(run=_version)
    return parser


def _version(options: argparse.Namespace) -> int:
    print(_version_line())
    return 0


def _version_line() -> str:
    from importlib.metadata import version

    return f"gleaner {version('gleaner')}"


def _become(module: str, words: list[str]) -> NoReturn:
    """Go on as a component's own command: this process stays light, and no component is imported here."""
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", module, *words], _environment())  # noqa: S606 - no shell is wanted


def _environment() -> dict[str, str]:
    """That of a process that is to find this gleaner."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


if __name__ == "__main__":
    main()
