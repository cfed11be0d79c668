"""`gleaner monitor`: the watch over a released model on this machine, by the same runner as `gleaner run`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pipelines.configuration.config import RunConfig
    from pipelines.local.record import Run

NAME = "monitor"
HISTORY = "history"
"""Its one verb, which is a component's own command."""
EXAMPLES = """examples:
  gleaner monitor -c my.yaml                           what was answered since the last look
  gleaner monitor -c my.yaml --source new-photos       the release answers for a folder first
  gleaner monitor -c my.yaml --train                   and an alarm starts `gleaner run my.yaml`
  gleaner monitor -c my.yaml monitor.min_images=50     with another setting
  gleaner monitor history -c my.yaml                   every look, and what it started
"""


class Looked(NamedTuple):
    """What one look came to."""

    drift: dict[str, Any]  # drift.json
    decision: dict[str, Any]  # decision.json
    page: Path  # drift.html


def add_monitor(commands: Any) -> None:
    """Add it to the sub-parsers of `gleaner`."""
    monitor = commands.add_parser(
        NAME,
        help="look at what a release answered: drift, accuracy to expect, images that are new",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Compare what the champion answered since the last look with what it was made for: the serving log,"
        "\nor images. A look is published in the store, with a page and the images that are new. On a cluster the "
        "same is\nthe pipeline gleaner-monitoring, on a schedule. The section `monitor` of CONFIG says how.",
        epilog=EXAMPLES,
    )
    monitor.add_argument("-c", "--config", metavar="CONFIG", type=Path, required=True, help="run configuration (YAML)")
    monitor.add_argument("overrides", metavar="key=value", nargs="*", help="settings that go before the file's")
    monitor.add_argument(
        "--source",
        metavar="IMAGES",
        default="",
        help="folder, s3:// prefix, pattern, archive or table of images (default: the serving log)",
    )
    monitor.add_argument(
        "--train", action="store_true", help="an alarm starts a training run here, as `monitor.train: true` says"
    )
    monitor.add_argument("--object-store", metavar="DIR", type=Path, help="the folder that `object_store` names")
    monitor.add_argument(
        "--workdir",
        metavar="DIR",
        type=Path,
        default=Path(".gleaner"),
        help="where runs and logs are kept (default: %(default)s)",
    )
    monitor.set_defaults(run=_monitor)


def _monitor(options: argparse.Namespace) -> int:
    from pipelines.configuration.config import load_config

    config = load_config(options.config, options.overrides)  # before kfp: a typing mistake is told at once
    from components.monitor.compare.told import told
    from pipelines.local.commands import end_with_the_terminal
    from pipelines.local.record import StageError

    end_with_the_terminal()
    config, source = _here(config, options)
    try:
        found, decided, page = look(config, options.config, options.overrides, options.workdir, source)
    except StageError as failed:
        print(f"{failed.line}\nlog: {failed.log}", file=sys.stderr)
        return failed.code
    print("\n".join(told(found, os.path.relpath(page))))
    if not decided["train"]:
        print(decided["why"])
        return 0
    print(decided["why"].partition(". ")[0], flush=True)  # then come the verdict's own sentences
    return _train(found, decided, options)


def _here(config: "RunConfig", options: argparse.Namespace) -> tuple["RunConfig", str]:
    """The configuration and the source, with the store and the log where they can be reached from this machine, and
    training as the flag says.
    """
    folder = options.object_store or (config.object_store and Path(config.object_store).expanduser())
    store, log, source = config.store, config.monitor.log, options.source
    if folder and any(place.startswith("s3://") for place in (store, log, source)):
        from pipelines.local.objectstore import reachable

        store, log, source = reachable(folder, [store, log, source])
    changes = {"log": log, "train": options.train or config.monitor.train}
    return config.model_copy(update={"store": store, "monitor": config.monitor.model_copy(update=changes)}), source


def look(config: "RunConfig", file: Path, overrides: Sequence[str], workdir: Path, source: str = "") -> Looked:
    """Run the three tasks; raises StageError. Nothing is taken from a cache: each look is another one.

    config: with a store that can be reached from here; file, overrides: where it was read from, for a training run.
    """
    from components.common.files import read_json
    from components.plan.form import fill
    from pipelines.configuration.monitoring import watch
    from pipelines.local.progress import open_display
    from pipelines.local.record import new_run
    from pipelines.local.run import run_pipeline
    from pipelines.local.workdir import in_use
    from pipelines.monitoring import monitoring

    how = {"config": str(file), "overrides": list(overrides)}
    training = {"local": how, "parameters": fill(config)} if config.monitor.train else {}
    with in_use(workdir):
        display = open_display()
        run = new_run(workdir, f"{config.name}-{NAME}", display, config.threads)
        with display:
            cache = workdir.absolute() / "cache"
            run_pipeline(monitoring.pipeline_spec, watch(config, training, source), run, cache, fresh=True)
    drift, decision = (_output(run, stage, name) for stage, name in (("compare", "drift"), ("decide", "decision")))
    return Looked(read_json(drift / "drift.json"), read_json(decision / "decision.json"), drift / "drift.html")


def _output(run: "Run", stage: str, name: str) -> Path:
    return Path(next(each for each in run.stages if each.name == stage).outputs[name]["uri"])


def _train(found: dict[str, Any], decided: dict[str, Any], options: argparse.Namespace) -> int:
    """Run what was decided, unless another monitor does, and say in the store that it was run."""
    from components.monitor.claims import record, take
    from pipelines.local.commands import run_here

    store, model, number = found["store"], found["model"], decided["claim"]
    if held := take(store, model, number):
        print(held)
        return 0
    there = [f"object_store={options.object_store}"] if options.object_store else []
    code, name = run_here(options.config, [*options.overrides, *there, *decided["overrides"]], options.workdir)
    if code == 0:
        record(store, model, number, {"name": name})
    return code
