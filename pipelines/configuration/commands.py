"""The commands `gleaner config show|schema`."""

import argparse
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Add them to the sub-parsers of `gleaner`."""
    config = commands.add_parser("config", help="show a configuration, or the schema of all")
    config_commands = config.add_subparsers(metavar="COMMAND", required=True)
    show = config_commands.add_parser(
        "show",
        help="print a configuration with everything resolved",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  gleaner config show pipelines/configs/mnist.yaml seed=1",
    )
    show.add_argument("config", metavar="CONFIG", type=Path)
    show.add_argument("overrides", metavar="key=value", nargs="*")
    show.set_defaults(run=_config_show)
    config_commands.add_parser("schema", help="print the JSON schema of configurations, for editors").set_defaults(
        run=_config_schema
    )


def _config_show(options: argparse.Namespace) -> int:
    from pipelines.configuration.config import load_config, show

    print(show(load_config(options.config, options.overrides)), end="")
    return 0


def _config_schema(options: argparse.Namespace) -> int:
    from pipelines.configuration.config import schema

    print(schema(), end="")
    return 0
