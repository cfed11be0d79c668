"""What time it is, for whoever decides by it."""

import os
from datetime import UTC, datetime

from components.common.errors import BadInputError

VARIABLE = "GLEANER_NOW"


def now() -> datetime:
    """The time, in UTC; where GLEANER_NOW is set, the one that it says, so that a year can be rehearsed in minutes.

    Raises BadInputError where that is no time in ISO 8601 with a zone.
    """
    said = os.environ.get(VARIABLE)
    if not said:
        return datetime.now(UTC)
    try:
        time = datetime.fromisoformat(said)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise BadInputError(f"{VARIABLE}: got {said!r}, expected a time such as 2026-03-02T06:00:00+00:00")
    return time.astimezone(UTC)
