"""The commands `gleaner config show|schema`."""

import argparse
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  gleaner config show pipelines/configs/mnist.yaml seed=1
  gleaner config schema > schema.json
"""


def add_commands(commands: Any) -> None:
    """Add them to the sub-parsers of `gleaner`."""
    plain = argparse.RawDescriptionHelpFormatter
    config = commands.add_parser(
        "config",
        help="show a configuration, or the schema of all",
        formatter_class=plain,
        description="Show what people write for a run.",
        epilog=EXAMPLES,
    )
    config_commands = config.add_subparsers(metavar="COMMAND")
    show = config_commands.add_parser(
        "show",
        help="print a configuration with everything resolved",
        formatter_class=plain,
        description="Print every setting that a run would use, defaults included.",
        epilog=EXAMPLES,
    )
    show.add_argument("config", metavar="CONFIG", type=Path, help="run configuration (YAML)")
    show.add_argument("overrides", metavar="key=value", nargs="*", help="settings that go before the file's")
    show.set_defaults(run=_config_show)
    schema = config_commands.add_parser(
        "schema",
        help="print the JSON schema of configurations, for editors",
        formatter_class=plain,
        description="Print the JSON schema of run configurations, which editors complete and check with.",
        epilog=EXAMPLES,
    )
    schema.set_defaults(run=_config_schema)


def _config_show(options: argparse.Namespace) -> int:
    from pipelines.configuration.config import load_config, show

    print(show(load_config(options.config, options.overrides)), end="")
    return 0


def _config_schema(options: argparse.Namespace) -> int:
    from pipelines.configuration.config import schema

    print(schema(), end="")
    return 0
