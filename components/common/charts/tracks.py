"""Rows of a name, a rail with marks and intervals on it, and a figure: the chart that stays readable at any width."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from components.common.charts.scale import Scale, ticks


class Row(NamedTuple):
    """One line of the chart; all places are on its scale."""

    name: str
    shown: str  # the figure on the right
    marks: Sequence[tuple[str, float]] = ()  # kind of mark (a name in charts.css) and place
    interval: tuple[float, float] | None = None
    tag: str = ""  # a word in a frame behind the name
    kind: str = ""  # of the interval: `main`, `other`
    aside: str = ""  # behind the name, paler


def tracks(rows: Sequence[Row], low: float, high: float, unit: str, legend: Sequence[tuple[str, str]] = ()) -> str:
    """The rows on one scale from low to high. unit: of the scale, as `%`; legend: (kind of mark, what it means)."""
    scale = Scale(low, high, 0, 100)
    places = ticks(low, high, 4)
    signed = low < 0 < high
    grid = "".join(
        f'<i class="tick{" zero" if signed and place == 0 else ""}" style="left:{scale(place):.2f}%"></i>'
        for place in places
    )
    lines = "\n".join(_row(row, scale, grid) for row in rows)
    numbers = "".join(
        f'<i style="left:{scale(place):.2f}%">{place:{"+" if signed and place else ""}g}{escape(unit)}</i>'
        for place in places
    )
    axis = f'<div class="track axis"><span class="name"></span><span class="rail">{numbers}</span><b></b></div>'
    return f'<div class="tracks">{keys(legend)}\n{lines}\n{axis}\n</div>'


def keys(legend: Sequence[tuple[str, str]]) -> str:
    """The legend: a sample of each mark with what it means."""
    if not legend:
        return ""
    items = "".join(f'<span><i class="key {kind}"></i>{escape(text)}</span>' for kind, text in legend)
    return f'<div class="keys">{items}</div>'


def _row(row: Row, scale: Scale, grid: str) -> str:
    parts = [grid]
    if row.interval is not None:
        left, right = (scale(end) for end in row.interval)
        parts.append(f'<i class="span {row.kind}" style="left:{left:.2f}%;width:{max(right - left, 0.3):.2f}%"></i>')
    parts += [
        f'<i class="mark {kind}" style="left:{scale(place):.2f}%"></i>' for kind, place in row.marks if place == place
    ]
    aside = f" <small>{escape(row.aside)}</small>" if row.aside else ""
    tag = f" <em>{escape(row.tag)}</em>" if row.tag else ""
    return (
        f'<div class="track {row.kind}"><span class="name">{escape(row.name)}{aside}{tag}</span>'
        f'<span class="rail">{"".join(parts)}</span><b>{escape(row.shown)}</b></div>'
    )
