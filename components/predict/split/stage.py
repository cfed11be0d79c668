"""Begin a batch: settle the release, list the images, and share them out."""

import tempfile
from pathlib import Path

from components.common.errors import BadInputError
from components.common.files import write_json
from components.common.ranges import cut
from components.predict.settings import PredictSettings
from components.predict.work import begin

WORKERS = 1000  # at most


def run(release: str, images: str, output: str, workers: int, settings: PredictSettings, parts: Path) -> None:
    """Verify the release, list the images, and share them out to workers that answer side by side.

    release: as `gleaner predict` takes it; images: a file, folder, pattern, archive or table, or the same on s3://;
    output: path or s3:// URI of .csv, .jsonl or .parquet. parts becomes the settings of each worker, with its range
    `run/first:last`. Where the same run was begun before, it goes on.
    """
    if not 1 <= workers <= WORKERS:
        raise BadInputError(f"workers: got {workers}, expected from 1 to {WORKERS}")
    with tempfile.TemporaryDirectory(prefix="gleaner-split-") as scratch:
        work = begin(release, [images], output, settings, Path(scratch))
    told = settings.model_dump(mode="json")
    ranges = cut(work.run, len(work.listing.sizes), workers)
    write_json(parts, [{**told, "parts": each} for each in ranges])
    print(
        f"{sum(work.listing.sizes):,} images in {len(work.listing.sizes)} parts for {len(ranges)} workers", flush=True
    )
