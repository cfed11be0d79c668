"""The commands of `gleaner` that talk to a Kubeflow Pipelines server: submit and schedules."""

import argparse
import sys
from pathlib import Path
from typing import Any

SUBMIT = """examples:
  gleaner submit my.yaml --host http://localhost:8888 --wait
  gleaner submit my.yaml pretrain.epochs=50 --pipeline-version latest
  gleaner submit my.yaml --pipeline monitoring --service-account gleaner-monitor
"""
SCHEDULES = """examples:
  gleaner schedules plan  --file pipelines/configs/schedules.yaml     what would change, nothing does
  gleaner schedules apply --file pipelines/configs/schedules.yaml --prune
  gleaner schedules schema > schedules.json
"""


def add_commands(commands: Any) -> None:
    """Add them to the sub-parsers of `gleaner`."""
    _add_submit(commands)
    _add_schedules(commands)


def _add_submit(commands: Any) -> None:
    plain = argparse.RawDescriptionHelpFormatter
    submit = commands.add_parser(
        "submit",
        help="start a run on Kubeflow Pipelines",
        formatter_class=plain,
        epilog=SUBMIT,
        description="Start a run of the compiled pipeline on a server; prints the page where it can be watched.",
    )
    submit.add_argument("config", metavar="CONFIG", type=Path, help="run configuration (YAML)")
    submit.add_argument("overrides", metavar="key=value", nargs="*", help="settings that go before the file's")
    submit.add_argument("--wait", action="store_true", help="follow it, a line per task; exit code 1 if it fails")
    submit.add_argument(
        "--pipeline",
        choices=("training", "monitoring"),
        default="training",
        help="training, or one look at what the released model answered since the last one (default: %(default)s)",
    )
    submit.add_argument(
        "--pipeline-version",
        metavar="V",
        default="committed",
        help="committed (the one compiled here for CONFIG's pods), latest, or a version's name (default: %(default)s)",
    )
    submit.add_argument("--experiment", default="gleaner", help="where the run is listed (default: %(default)s)")
    submit.add_argument(
        "--service-account",
        default="",
        help="Kubernetes service account of its pods, and of what an alarm starts (default: the platform's)",
    )
    _add_server(submit)
    _add_patience(submit)
    submit.set_defaults(run=_submit)


def _add_schedules(commands: Any) -> None:
    plain = argparse.RawDescriptionHelpFormatter
    schedules = commands.add_parser(
        "schedules",
        help="make recurring runs equal to a schedules file in Git",
        formatter_class=plain,
        epilog=SCHEDULES,
    )
    actions = schedules.add_subparsers(metavar="COMMAND")
    for name, help_ in (("plan", "print what apply would do"), ("apply", "make the server equal to the file")):
        action = actions.add_parser(name, help=help_, formatter_class=plain, epilog=SCHEDULES)
        action.add_argument("--file", metavar="FILE", type=Path, required=True, help="schedules file (YAML)")
        action.add_argument(
            "--prune",
            action="store_true",
            help="also disable what the file no longer names, and delete disabled ones but for the last two",
        )
        _add_server(action)
        if name == "apply":
            _add_patience(action)
        action.set_defaults(run=_plan if name == "plan" else _apply)
    schema = actions.add_parser(
        "schema",
        help="print the JSON schema of schedules files, for editors",
        formatter_class=plain,
        epilog=SCHEDULES,
    )
    schema.set_defaults(run=_schema)


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address of Kubeflow Pipelines (default: KF_PIPELINES_ENDPOINT)")
    parser.add_argument(
        "--namespace", help="namespace, where the server has many users (default: KF_PIPELINES_NAMESPACE)"
    )


def _add_patience(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait-version",
        metavar="S",
        type=float,
        default=300,
        help="seconds to wait for a pipeline version that Argo CD has yet to apply (default: %(default)s)",
    )


def _submit(options: argparse.Namespace) -> int:
    from pipelines.configuration.config import load_config

    # before the server is asked: a typing mistake is told at once
    config = load_config(options.config, options.overrides)
    from components.common.kubeflow.runs import link
    from components.common.kubeflow.server import connect
    from pipelines.compiling.variants import needed
    from pipelines.configuration.version import COMPILED, MONITORED, check_version
    from pipelines.kubeflow.following import awaited, follow, looked, verdict
    from pipelines.kubeflow.submit import arguments, looking, start

    watching = options.pipeline == "monitoring"
    check_version(options.pipeline_version, MONITORED if watching else COMPILED)
    versions = needed(options.pipeline, options.pipeline_version, config, options.config.stem)
    how = versions, options.experiment, options.service_account
    values = looking(config, options.config, *how) if watching else arguments(config, options.config)
    server = connect(options.host, options.namespace)
    run_id = start(
        server,
        f"{config.name}-monitoring" if watching else config.name,
        values,
        versions,
        options.experiment,
        _say,
        options.service_account,
        options.wait_version,
    )
    _say(f"run: {link(server, run_id)}")
    if not options.wait:
        return 0
    try:
        run = follow(server, run_id, _say)
    except KeyboardInterrupt:
        _say("no longer followed; the run goes on, and ends in Kubeflow's UI")
        raise
    print(verdict(server, run), file=sys.stdout if run.state == "SUCCEEDED" else sys.stderr)
    if run.state != "SUCCEEDED":
        return 1
    told = looked(config) if watching else awaited(config)
    if told:
        _say(told)
    return 0


def _plan(options: argparse.Namespace) -> int:
    from components.common.kubeflow.server import connect
    from pipelines.kubeflow.schedules.apply import read_git, show_plan

    git = read_git(options.file)
    show_plan(connect(options.host, options.namespace), git, options.prune, _say)
    return 0


def _apply(options: argparse.Namespace) -> int:
    from components.common.kubeflow.server import connect
    from pipelines.kubeflow.schedules.apply import apply, read_git

    git = read_git(options.file)
    apply(connect(options.host, options.namespace), git, options.prune, _say, options.wait_version)
    return 0


def _schema(options: argparse.Namespace) -> int:
    from pipelines.configuration.schedules import schema

    print(schema(), end="")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)
