"""Settings of evaluate."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from components.common.settings import Count, Settings, Share
from components.evaluate.rules import DEFAULT, EXAMPLE, changed, parse


def _gate(text: str) -> str:
    return parse(text).text


class Precise(Settings):
    """A second opinion on unlabelled images, by the model and its checkpoints (pseudolabel.checkpoints) x views x
    passes of dropout. It costs `images` x models x `views` forward passes, and as many again on test images.
    """

    images: int = Field(0, ge=0)
    """Images of the pool that are asked about, drawn at random; 0 asks for no second opinion."""
    views: Annotated[int, Field(ge=1, le=32)] = 4
    """Times that each model sees an image: once as it is, then changed as in training (test-time augmentation)."""
    passes: Annotated[int, Field(ge=1, le=64)] = 4
    """Times that the head answers about each view, each with other features dropped (MC-dropout)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the features that a pass drops."""
    sure: Share = 0.5
    """Probability that the ensemble must give another class to disagree surely: such images are offered to the next
    round of labelling.
    """


class EvaluateSettings(Settings):
    """What the report shows and what the release demands."""

    gates: list[Annotated[str, AfterValidator(_gate)]] = Field(default=list(DEFAULT))
    """What a model must reach to be released; [] asks for nothing. Each is a metric, a comparison and a value, for the
    whole test split, a class or a slice, such as `accuracy >= 0.9`, `ece <= 3 %`, `recall[rare] >= 0.8`,
    `accuracy[folder=scans] >= 0.9`, `forgotten <= 1 %`, `latency_ms_p95 <= 20`; or a comparison with the `warmup` model
    or the `champion`: `accuracy not below champion by more than 0.5 points at 95 %` fails where the whole 95 % interval
    of the difference lies below. The README lists the metrics.
    """
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
    precise: Precise = Precise()
    champion: str = ""
    """Version of the champion that the model is compared with; each run fills it in."""
    since: str = ""
    """Key of the record of the round before, which the report compares with; each run fills it in."""

    present: str = ""
    """Key of the look of `gleaner monitor` that raised the newest alarm: the images that it saw stand for what arrives
    at present, in the reference of the release; each run fills it in."""

    @field_validator("gates", mode="before")
    @classmethod
    def _of_version_1(cls, gates: Any) -> Any:
        """Forms and overrides say no version: `{max_ece: 0.05}` changes that one of the gates by default."""
        if isinstance(gates, dict):
            return changed(DEFAULT, gates)
        if not isinstance(gates, list | tuple):
            raise ValueError(f"got {gates!r}, expected a list of gates such as {EXAMPLE}")
        return gates
