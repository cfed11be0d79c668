"""Settings of calibrate."""

from typing import Annotated

from pydantic import Field

from components.common.settings import Count, Settings


class CalibrateSettings(Settings):
    """One temperature, fitted on the calibration split (Guo et al. 2017)."""

    bins: Count = 15
    """Equal-width bins of the expected calibration error."""
    precision: Annotated[float, Field(gt=0, lt=1)] = 0.99
    """Share of right answers wanted above the abstention threshold; what lies below goes to a person."""
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of images whose true class the conformal set of classes is to hold."""
    batch_size: Count = 256
    """Images per forward pass."""
