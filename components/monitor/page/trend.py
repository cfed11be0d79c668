"""Small charts over the looks at a version, each with the line from which on it matters."""

from collections.abc import Sequence
from typing import NamedTuple

from components.common.charts.axes import Axes
from components.monitor.page.dates import short_day

HEIGHT = 136
MOST = 52  # looks on a chart, the newest ones
ASIDE = 0.03  # of the width, beside the first and the last look


class Point(NamedTuple):
    """What one look found."""

    until: str  # ISO
    value: float
    alarm: bool = False
    low: float | None = None
    high: float | None = None


def trend(points: Sequence[Point], limit: float, y_title: str, alt: str, others: Sequence[Point] = ()) -> str:
    """A line through the looks, alarms in orange, and a dashed line at the limit; nothing where there is but one look.

    others: a second series of some of these looks, dots with intervals.
    """
    points = points[-MOST:]
    if len(points) < 2:
        return ""
    places = {point.until: place for place, point in enumerate(points)}
    others = [point for point in others if point.until in places]
    last = len(points) - 1
    left, right = -ASIDE * last, (1 + ASIDE) * last
    ticks = [(0.0, short_day(points[0].until)), (float(last), short_day(points[-1].until))]
    axes = Axes((left, right), _reach([*points, *others], limit), "", y_title, ticks, height=HEIGHT)
    axes.line([(left, limit), (right, limit)], "orange thin")
    axes.line([(place, point.value) for place, point in enumerate(points)], "blue")
    for place, point in enumerate(points):
        axes.dot(place, point.value, "orange" if point.alarm else "blue")
    for point in others:
        place = places[point.until]
        if point.low is not None and point.high is not None:
            axes.line([(place, point.low), (place, point.high)], "ink span")
        axes.dot(place, point.value, "ink")
    return axes.svg(alt)


def _reach(points: Sequence[Point], limit: float) -> tuple[float, float]:
    """From the least to the largest of what is shown, and a little room; from 0 where that is near."""
    shown = [limit, *(value for point in points for value in (point.value, point.low, point.high) if value is not None)]
    low, high = min(shown), max(shown)
    room = 0.12 * (high - low) or 0.05
    return (0.0 if 0 <= low <= 0.5 * high else low - room), high + room
