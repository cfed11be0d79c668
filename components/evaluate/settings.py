"""Settings of evaluate."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from components.common.settings import Count, Settings, Share
from components.evaluate.rules import DEFAULT, EXAMPLE, changed, parse


def _gate(text: str) -> str:
    return parse(text).text


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
    champion: str = ""
    """Version of the champion that the model is compared with; each run fills it in."""
    since: str = ""
    """Key of the record of the round before, which the report compares with; each run fills it in."""

    @field_validator("gates", mode="before")
    @classmethod
    def _of_version_1(cls, gates: Any) -> Any:
        """Forms and overrides say no version: `{max_ece: 0.05}` changes that one of the gates by default."""
        if isinstance(gates, dict):
            return changed(DEFAULT, gates)
        if not isinstance(gates, list | tuple):
            raise ValueError(f"got {gates!r}, expected a list of gates such as {EXAMPLE}")
        return gates
