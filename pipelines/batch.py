"""Batch prediction, as a table of contents: a release answers for many images, shared out to workers."""

from kfp import dsl

from components.predict.answer.component import answer
from components.predict.component import predict
from components.predict.split.component import split


@dsl.pipeline(name="gleaner-batch", description="A release answers for many images: class, confidence, whom to ask.")
def batch(release: str, images: str, output: str, workers: int = 4, settings: dict = {}) -> None:
    """Classify images with a release, by as many workers as are asked for.

    Args:
        release: Folder or s3:// URI of a version, or of a model, whose champion answers: s3://bucket/store/releases/NAME.
        images: Folder, s3:// prefix, pattern, archive, or CSV or Parquet table with a column uri, path or image.
        output: Path or s3:// URI of the table to write, by its name CSV (.csv), JSON Lines (.jsonl) or Parquet (.parquet).
        workers: Pods that answer side by side; the table is the same to the byte.
        settings: JSON object of what differs from the defaults: top, embedding, int8, processes, threads, part_images, max_seconds, max_memory, anew.
    """
    parts = split(release=release, images=images, output=output, workers=workers, settings=settings).outputs["parts"]
    with dsl.ParallelFor(parts) as part:
        answered = answer(output=output, settings=part).outputs["answered"]
    predict(output=output, settings=settings, answered=dsl.Collected(answered))
