"""Settings of the watch over a released model."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.common.settings import Count, Positive, Settings

Family = Literal["inputs", "predictions", "accuracy", "audit"]


class MonitorSettings(Settings):
    """How a served model is looked after, when that raises an alarm, and what an alarm starts."""

    log: str = ""
    """Folder or s3:// URI that `gleaner serve --log` writes under; empty: `log` in the store."""
    every_days: Positive = 7.0
    """Days that a look covers where there was none before it; later ones go on where the last one ended."""
    min_images: Annotated[int, Field(ge=20)] = 100
    """Images below which a look cannot tell yet, and the next one takes them in."""
    max_images: Annotated[int, Field(ge=100)] = 100_000
    """Images of a look, at most: of more, a random draw."""
    false_alarms: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Chance of a false alarm in a year, of all tests and all looks together, however often is looked."""
    alarm_on: list[Family] = Field(default=["inputs", "predictions", "accuracy", "audit"])
    """What may raise an alarm; the others are only told."""
    least_shift: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Smallest shift of an input's or an answer's distribution (Kolmogorov-Smirnov distance) that is worth an alarm: of
    many images, the least difference is significant."""
    least_share: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Smallest change of a class's share that is worth an alarm, 0.03 for 3 points."""
    least_drop: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Smallest loss of accuracy, expected or audited, that is worth an alarm."""
    candidates: Annotated[int, Field(ge=0, le=10_000)] = 50
    """Images that are named as new, the candidates of the next labels."""
    audit: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Answers a week that are drawn at random for people to label: they measure the true accuracy."""
    train: bool = False
    """Start the training pipeline on an alarm."""
    cool_down_days: Annotated[float, Field(ge=0)] = 14.0
    """Days after a training that was started by an alarm, in which no other one is."""
    labels_per_alarm: Count = 50
    """Training labels that a run which an alarm starts may ask for."""
    labels_per_month: Count = 200
    """Training labels that alarms may ask for in 30 days, all together; less is asked for where less is left. Held-out
    draws among new images come beside them, sized by sample.new_share."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of permutations, bootstraps and draws."""

    @model_validator(mode="after")
    def _enough_may_be_drawn(self) -> "MonitorSettings":
        if self.min_images > self.max_images:
            raise ValueError(f"min_images ({self.min_images}) must not exceed max_images ({self.max_images})")
        return self
