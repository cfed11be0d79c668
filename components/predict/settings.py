"""Settings of batch prediction."""

from typing import Annotated

from pydantic import Field

from components.common.settings import Count, Positive, Settings

CHUNK = 32  # images that one process handles at a time, and answers in one batch


class PredictSettings(Settings):
    """What is told of each image, and what telling it may cost."""

    top: Count = 1
    """The K likeliest classes of each image."""
    embedding: bool = False
    """Whether the embedding of each image is kept: as many numbers as the model has features."""
    int8: bool = False
    """The model of 8-bit weights, where the release has one."""
    part_images: Annotated[int, Field(ge=CHUNK, multiple_of=CHUNK, le=1 << 16)] = 2048
    """Images after which what is known is kept, and from which a killed run goes on; a multiple of 32."""
    max_seconds: Positive = 60.0
    """An image that takes longer to decode is refused: some files are made to take for ever."""
    max_memory: Annotated[int, Field(ge=256 << 20)] = 4 << 30
    """Bytes that a process may take, the model included; an image that needs more is refused."""
    anew: bool = False
    """Begin anew where a run was begun beside the output that did not end; otherwise an equal one goes on, and another
    is refused.
    """
    processes: Annotated[int, Field(ge=1, le=256)] = 2
    """Processes that decode and classify, in each worker."""
    threads: Count = 1
    """CPU threads of the model in each process."""


DECIDING = {"top", "embedding", "int8", "part_images"}
"""Settings that decide what a run writes; the others only what it costs."""
