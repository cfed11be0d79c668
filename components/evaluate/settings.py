"""Settings of evaluate."""

from pydantic import Field

from components.common.settings import Count, Settings, Share


class Gates(Settings):
    """What a model must reach to be released; null switches a gate off."""

    min_accuracy: Share | None = None
    """Least accuracy on the test split."""
    max_ece: Share | None = 0.1
    """Greatest expected calibration error on the test split, after the temperature."""
    max_drop: Share | None = 0.0
    """Greatest loss of test accuracy against the warm-up model."""


class EvaluateSettings(Settings):
    """What the report shows and what the release demands."""

    gates: Gates = Gates()
    bins: Count = 15
    """Equal-width bins of the reliability diagram."""
    map_points: int = Field(2000, ge=0)
    """Images on the map of the embeddings."""
    mistakes: int = Field(24, ge=0)
    """Most confident mistakes shown."""
    batch_size: Count = 256
    """Images per forward pass."""
    saliency: int = Field(8, ge=0)
    """Images whose pixels are shaded by how much they count for the answer."""
    small_slice: Count = 20
    """Slices and classes of fewer test images are marked: their figures say little."""
    int8_max_drop: Share | None = None
    """Greatest loss of test accuracy at which a model of 8-bit weights is released too; null makes none."""
    champion: str = ""
    """Version of the champion that the model is compared with; each run fills it in."""
    since: str = ""
    """Key of the record of the round before, which the report compares with; each run fills it in."""
