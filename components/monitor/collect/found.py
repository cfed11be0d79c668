"""What was found of a model for one look, wherever it was looked for."""

from datetime import datetime
from typing import NamedTuple

import pyarrow as pa

from components.monitor.settings import MonitorSettings


class Found(NamedTuple):
    """Images and answers of one release."""

    place: str  # path or URI of the log, or of the images
    since: datetime
    until: datetime
    table: pa.Table  # of components.monitor.observed.SCHEMA, in the order of time
    seen: int  # images of which these are a random draw, or all
    unreadable: int = 0
    others: dict[str, int] = {}  # noqa: RUF012 (never changed) - answers of other releases, by version
    why: str = ""  # where there is nothing at all

    def why_not(self, settings: MonitorSettings, source: str) -> str:
        """The sentence that says why nothing can be told yet; empty where something can."""
        count, needed = len(self.table), f"{settings.min_images} are needed (monitor.min_images)"
        if self.why or count >= settings.min_images:
            return self.why
        if source:
            return f"{count} images of {self.place}, and {needed}: give more"
        return f"{count} answers since {self.since:%Y-%m-%d %H:%M} UTC, and {needed}: the next look takes them in"
