"""Settings of ingest."""

from typing import Annotated, Literal

from pydantic import Field

from components.common.settings import Count, Positive, Settings


class IngestSettings(Settings):
    """How the images of a folder, prefix, archive or table become a dataset."""

    labels: str = "folders"
    """`folders` (the class is the sub-folder, or what a WebDataset shard or a table says), `none`, or the path or s3:// URI of a CSV
    with the columns path,label."""
    mode: Literal["RGB", "L"] = "RGB"
    """Colour or grey; grey trains a third faster where colour says nothing."""
    shard_size: Annotated[int, Field(ge=1 << 20)] = 64 << 20
    """Bytes after which a shard is closed: large enough for a full-speed read, small enough to fetch while training."""
    max_pixels: Count = 100_000_000
    """Images of more pixels are refused, not decoded: a few kilobytes can unpack to gigabytes."""
    max_seconds: Positive = 60.0
    """An image that takes longer to decode is refused: some files are made to take for ever."""
    max_memory: Annotated[int, Field(ge=64 << 20)] = 4 << 30
    """Bytes that a decoding process may take; an image that needs more is refused. Lower it where `workers` times this is too much."""
    unfinished_hours: Positive = 48.0
    """Age after which what a killed ingest of this name had begun to upload is removed; above the time an ingest takes."""
    workers: Annotated[int, Field(ge=1, le=256)] = 2
    """Processes that decode."""
