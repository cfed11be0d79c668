"""Settings of release."""

from components.common.settings import Settings


class ReleaseSettings(Settings):
    """What happens to a model that passes every gate."""

    promote: bool = True
    """Move the champion pointer to it; false publishes the bundle and leaves the champion."""
