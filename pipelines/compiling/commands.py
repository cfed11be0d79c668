"""The command `gleaner compile`."""

import argparse
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Add it to the sub-parsers of `gleaner`."""
    compile_ = commands.add_parser(
        "compile",
        help="write the compiled pipeline, and its objects for Argo CD",
        formatter_class=argparse.RawDescriptionHelpFormatter,
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


def _compile(options: argparse.Namespace) -> int:
    from pipelines.configuration.config import load_config

    config = load_config(options.config, options.overrides) if options.config else None
    from pipelines.compiling.compile import write, write_version

    for path in write_version(config, options.config.stem, options.output) if config else write():
        print(path)
    return 0
