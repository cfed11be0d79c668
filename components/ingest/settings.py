"""Settings of ingest."""

from typing import Annotated, Literal

from pydantic import Field

from components.common.settings import Count, Positive, Settings

Limit = Annotated[int, Field(ge=0)] | None


class Gates(Settings):
    """How many of each finding of the data report are too many: one more stops the run. None by default: look first."""

    unreadable: Limit = None
    """Files that are no image, are broken or cannot be read."""
    truncated: Limit = None
    """Image files that end too early, which is how an interrupted copy looks."""
    passed_over: Limit = None
    """Images of a kind that is not read: camera RAW, SVG, Photoshop, HEIC where pillow-heif is not installed."""
    exact_duplicates: Limit = None
    """Files whose bytes another file has too."""
    near_duplicates: Limit = None
    """Images that show what another shows: re-encoded, resized, slightly cropped."""
    edited_copies: Limit = None
    """Images that show what another shows in other tones: contrast, brightness or gamma changed."""
    leaks: Limit = None
    """Images that lie in a given held-out split and, or a near-duplicate of them, outside of it too."""
    label_conflicts: Limit = None
    """Images with different labels: of equal files, or in several lines of a table."""
    group_label_conflicts: Limit = None
    """Near-duplicate groups with different labels."""
    rare_classes: Limit = None
    """Classes of less than a tenth of an even share, or of fewer than ten images."""
    missing_classes: Limit = None
    """Classes without any readable image, or with none for training; an empty folder is one."""
    size_outliers: Limit = None
    """Images with more than 16 times the pixels of the median, or less than a 16th."""
    aspect_outliers: Limit = None
    """Images more than twice as wide, or twice as high, as the median's shape."""
    blank: Limit = None
    """Images of nearly one grey level."""
    drift: Limit = None
    """Of class shares, sizes and brightness: how many differ from the version before by more than a tenth and than
    chance.
    """


class IngestSettings(Settings):
    """How the images of a folder, prefix, archive or table become a dataset."""

    labels: str = "folders"
    """`folders` (the class is the sub-folder, or what a WebDataset shard or a table says), `none`, or the path or s3://
    URI of a CSV with the columns path,label."""
    mode: Literal["RGB", "L"] = "RGB"
    """Colour or grey; grey trains a third faster where colour says nothing."""
    shard_size: Annotated[int, Field(ge=1 << 20)] = 64 << 20
    """Bytes after which a shard is closed: large enough for a full-speed read, small enough to fetch while training."""
    max_pixels: Count = 100_000_000
    """Images of more pixels are refused, not decoded: a few kilobytes can unpack to gigabytes."""
    max_seconds: Positive = 60.0
    """An image that takes longer to decode is refused: some files are made to take for ever."""
    max_memory: Annotated[int, Field(ge=64 << 20)] = 4 << 30
    """Bytes that a decoding process may take; an image that needs more is refused. Lower it where `processes` times
    this is too much.
    """
    unfinished_hours: Positive = 48.0
    """Age after which what a killed ingest of this name had begun to upload is removed; above the time an ingest takes.
    """
    processes: Annotated[int, Field(ge=1, le=256)] = 2
    """Processes that decode, in each worker."""
    workers: Annotated[int, Field(ge=1, le=1000)] = 1
    """Tasks that pack side by side, each a range of the listing, where one machine is too small; the result is the same
    to the byte.
    """
    gates: Gates = Gates()
