"""Predict: join the parts of a batch to its output."""

import json
import tempfile
from pathlib import Path

from components.common.cli import Metadata
from components.common.files import write_json
from components.common.ranges import split_range
from components.predict.pace import paced
from components.predict.settings import PredictSettings
from components.predict.shown import summary
from components.predict.work import answer, clear, join, opened


def run(output: str, settings: PredictSettings, predictions: Path, answered: str) -> Metadata:
    """Join what the workers have answered to one table, in the order of the images, and remove the parts.

    answered: JSON list of what the workers were told to do. predictions: a file that says where the table is, and how
    many images it tells of.
    """
    begun, _ = split_range(json.loads(answered)[0])
    with tempfile.TemporaryDirectory(prefix="gleaner-predict-") as scratch:
        work = opened(output, begun, settings, Path(scratch))
        sizes = work.listing.sizes
        there = work.done()
        for _ in paced(answer(work, range(len(sizes))), sum(sizes[number] for number in there), sum(sizes)):
            pass  # what a worker's cache, or a hand, has removed
        told = {"output": output, "model": work.manifest["model"], "version": work.manifest["version"], **join(work)}
        write_json(predictions, told)
        clear(work.store)
    print(summary(output, {key: value for key, value in told.items() if isinstance(value, int)}), flush=True)
    return {"predictions": told}
