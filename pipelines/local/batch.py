"""`gleaner batch`: the pipeline of batch prediction on this machine, by the same runner as `gleaner run`."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.common.errors import BadInputError
from components.predict.settings import PredictSettings

SETTINGS = list(PredictSettings.model_fields)


def add_batch(commands: Any) -> None:
    """Add it to the sub-parsers of `gleaner`."""
    batch = commands.add_parser(
        "batch",
        help="classify many images by several workers, as pods of a cluster do",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run the pipeline of batch prediction here: the images are listed, workers answer side by side, "
        "one table\nis written. In Kubeflow the same is the pipeline gleaner-batch, with a form of the same words.\n"
        "`gleaner predict` does it without a pipeline; both write the same bytes.",
        epilog="examples:\n  gleaner batch demo/store/releases/mnist demo/mnist -o answers.parquet --workers 4\n"
        "  gleaner batch s3://b/store/releases/mnist s3://b/in -o s3://b/answers.csv --settings top=3 processes=8",
    )
    batch.add_argument("release", metavar="RELEASE", help="folder or s3:// URI of a version or of a model")
    batch.add_argument("images", metavar="IMAGES", help="folder, s3:// prefix, pattern, archive or table")
    batch.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="write there: a path or s3:// URI of .csv, .jsonl, .parquet",
    )
    batch.add_argument("--workers", metavar="N", type=int, default=2, help="tasks side by side (default %(default)s)")
    batch.add_argument("--settings", metavar="key=value", nargs="*", default=[], help=", ".join(SETTINGS))
    batch.add_argument(
        "--workdir",
        metavar="DIR",
        type=Path,
        default=Path(".gleaner"),
        help="where runs and logs are kept (default: %(default)s)",
    )
    batch.set_defaults(run=_batch)


def read_settings(words: list[str]) -> dict[str, Any]:
    """What `key=value` words say; BadInputError where a key is unknown, or a value wrong."""
    given: dict[str, Any] = {}
    for word in words:
        key, found, value = word.partition("=")
        if not found:
            raise BadInputError(f"{word!r}: expected key=value, with one of {', '.join(SETTINGS)}")
        try:
            given[key] = json.loads(value)
        except ValueError:
            given[key] = value
    try:
        PredictSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInputError(
            f"{'.'.join(map(str, first['loc']))}: {first['msg']} (got {first.get('input')!r}); "
            f"expected some of {', '.join(SETTINGS)}"
        ) from None
    return given


def _batch(options: argparse.Namespace) -> int:
    settings = read_settings(options.settings)  # before kfp: a typing mistake is told at once
    from pipelines.batch import batch
    from pipelines.local.progress import open_display
    from pipelines.local.record import StageError, new_run
    from pipelines.local.run import run_pipeline
    from pipelines.local.workdir import in_use

    arguments = {name: getattr(options, name) for name in ("release", "images", "output", "workers")}
    with in_use(options.workdir):
        display = open_display()
        run = new_run(options.workdir, "batch", display, threads=1)
        try:
            with display:  # nothing is taken from a cache: the parts beside the output say what is done
                cache = options.workdir.absolute() / "cache"
                run_pipeline(batch.pipeline_spec, {**arguments, "settings": settings}, run, cache, fresh=True)
        except StageError as failed:
            print(f"{failed.line}\nlog: {failed.log}", file=sys.stderr)
            return failed.code
    figures = next(stage for stage in run.stages if stage.name == "predict").outputs["predictions"]["metadata"]
    counts = ", ".join(f"{figures[key]:,.0f} {key}" for key in ("images", "abstained", "unreadable"))
    print(
        f"{os.path.relpath(options.output) if '://' not in options.output else options.output}: {counts}, "
        f"by version {figures['version']} of {figures['model']}"
    )
    return 0
