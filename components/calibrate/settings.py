"""Settings of calibrate."""

from components.common.settings import Count, Settings


class CalibrateSettings(Settings):
    """One temperature, fitted on the calibration split (Guo et al. 2017)."""

    bins: Count = 15
    """Equal-width bins of the expected calibration error."""
    batch_size: Count = 256
    """Images per forward pass."""
