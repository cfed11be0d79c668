"""Settings of warmup."""

from typing import Annotated

from pydantic import Field

from components.common.settings import Augment, Count, Positive, Precision, Settings, Share


class WarmupSettings(Settings):
    """A classifier from the encoder and the labels: the head first, then all weights."""

    head_steps: Annotated[int, Field(ge=0)] = 200
    """Steps of the head alone, on the stored embeddings: cheap, and the encoder is not shaken by a random head."""
    steps: Annotated[int, Field(ge=0)] = 200
    """Steps of all weights."""
    batch_size: Count = 64
    """Images per step."""
    learning_rate: Positive = 1e-3
    """Peak, for AdamW on all weights."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-3
    label_smoothing: Share = 0.1
    """Share of the target spread over all classes: few labels must not make a model certain."""
    augment: Augment = Augment()
    precision: Precision = "auto"
