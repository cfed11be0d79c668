"""Settings of pretrain."""

from typing import Annotated, Literal

from pydantic import Field

from components.common.settings import Augment, Count, Positive, Precision, Settings, Share


class PretrainSettings(Settings):
    """SimCLR (Chen et al. 2020) on the train split, without labels."""

    architecture: Literal["resnet9", "resnet18", "resnet34", "resnet50"] = "resnet18"
    """resnet9 for small images on a CPU; the others are torchvision's."""
    width: Count = 64
    """Channels of resnet9's first block; the others have 64."""
    stem: Literal["3x3", "7x7"] = "3x3"
    """3x3 keeps the resolution and suits images up to 64 pixels; 7x7 with pooling suits larger ones."""
    image_size: Annotated[int, Field(ge=8, le=1024)] = 64
    """Pixels, square."""
    init: str = "random"
    """`random`, the name of torchvision weights (`IMAGENET1K_V1`), or a safetensors file or s3:// URI of an encoder."""
    epochs: Annotated[int, Field(ge=0)] = 100
    """Passes over the train split; 0 keeps the initial weights."""
    batch_size: Annotated[int, Field(ge=2)] = 256
    """Images per step; each has two views and all others' views as negatives."""
    learning_rate: Positive = 2e-3
    """Peak, for AdamW at a batch of 256; scaled linearly with the batch."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    warmup_epochs: Annotated[float, Field(ge=0)] = 1.0
    """Epochs of linear warm-up before the cosine."""
    temperature: Positive = 0.2
    """NT-Xent's; lower looks harder at the nearest negatives."""
    projection: Count = 128
    """Width of the projection head's output; the head is dropped afterwards."""
    augment: Augment = Augment()
    loader: Literal["auto", "dali", "torch"] = "auto"
    """`auto` takes DALI where it is installed; name one where results must repeat across machines."""
    shuffle_gb: Positive = 80.0
    """GB of shards held at once. A train split that fits is shuffled as one; a larger one in windows of half as much,
    the next fetched while one trains. Where GLEANER_CACHE_GB (100) is less, that is taken."""
    checkpoint_minutes: Positive = 10.0
    """At most this much training is lost when the process is killed; an epoch's end is a checkpoint too."""
    precision: Precision = "auto"
    neighbours: Count = 10
    """k of the k-nearest-neighbour accuracy logged per epoch."""
    min_spread: Share = 0.05
    """Collapse: training stops with an error when the embeddings' spread (1 = uniform on the sphere, 0 = a point) falls
    below this.
    """
