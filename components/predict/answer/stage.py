"""Classify the images of a range of parts."""

import tempfile
from pathlib import Path

from components.common.files import write_text
from components.common.ranges import in_range, split_range
from components.predict.pace import paced
from components.predict.settings import PredictSettings
from components.predict.work import answer, opened


def run(output: str, parts: str, settings: PredictSettings, answered: Path) -> None:
    """Classify the images of the parts `run/first:last` of a batch; what is done already is not done again."""
    begun, numbers = split_range(parts)
    with tempfile.TemporaryDirectory(prefix="gleaner-answer-") as scratch:
        work = opened(output, begun, settings, Path(scratch))
        mine = in_range(numbers, len(work.listing.sizes))
        there = work.done()
        done = sum(work.listing.sizes[number] for number in mine if number in there)
        for _ in paced(answer(work, mine), done, sum(work.listing.sizes[number] for number in mine)):
            pass
    write_text(answered, parts)
