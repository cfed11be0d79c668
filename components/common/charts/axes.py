"""Small line charts as inline SVG: drawn 360 units wide, so that their text is legible on a phone."""

from collections.abc import Sequence
from html import escape

from components.common.charts.scale import Scale, ticks

WIDTH, HEIGHT = 360, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 40  # around the field
UNTITLED = 24  # below it, where the axis has no title


class Axes:
    """A field with two axes; what is drawn lies in the order of the calls. Places are figures, not pixels.

    x, y: (low, high); marks on them are round numbers, or `x_ticks` (place, text) and `y_ticks`.
    """

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        x_title: str,
        y_title: str,
        x_ticks: Sequence[tuple[float, str]] = (),
        y_ticks: Sequence[float] = (),
        height: int = HEIGHT,
    ) -> None:
        self.height = height
        self._x = Scale(*x, LEFT, WIDTH - RIGHT)
        bottom = height - (BOTTOM if x_title else UNTITLED)
        self._y = Scale(*y, bottom, TOP)
        self._parts: list[str] = []
        for place in y_ticks or ticks(*y, 4):
            self._parts.append(f'<path class="grid" d="M{LEFT} {self._y(place):.1f}H{WIDTH - RIGHT}"/>')
            self._label(LEFT - 6, self._y(place) + 4, f"{place:,g}", "end")
        for place, text in x_ticks or [(tick, f"{tick:,g}") for tick in ticks(*x, 5)]:
            self._label(self._x(place), bottom + 16, text, "middle")
        if x_title:
            self._label((LEFT + WIDTH - RIGHT) / 2, height - 6, x_title, "middle", "title")
        middle = (TOP + bottom) / 2
        turned = f' transform="rotate(-90 11 {middle:g})"'
        self._parts.append(
            f'<text class="title" x="11" y="{middle:g}" text-anchor="middle"{turned}>{escape(y_title)}</text>'
        )

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        self._parts.append(f'<path class="line {kind}" d="M{"L".join(self._places(points))}"/>')

    def area(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """A filled shape through the points."""
        self._parts.append(f'<path class="area {kind}" d="M{"L".join(self._places(points))}Z"/>')

    def bar(self, left: float, right: float, bottom: float, top: float, kind: str) -> None:
        start, end, high, low = self._x(left), self._x(right), self._y(top), self._y(bottom)
        self._parts.append(
            f'<rect class="bar {kind}" x="{start + 0.5:.1f}" y="{high:.1f}" width="{max(end - start - 1, 0.5):.1f}" '
            f'height="{max(low - high, 0):.1f}"/>'
        )

    def dot(self, x: float, y: float, kind: str) -> None:
        self._parts.append(f'<circle class="dot {kind}" cx="{self._x(x):.1f}" cy="{self._y(y):.1f}" r="4"/>')

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "start", up: float = 0) -> None:
        """up: units of the drawing by which the text stands above the place."""
        self._label(self._x(x), self._y(y) - up, text, anchor, kind)

    def svg(self, alt: str) -> str:
        """The chart; `alt` is read to those who cannot see it."""
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {self.height}" role="img" aria-label="{escape(alt)}">'
            f"{''.join(self._parts)}</svg>"
        )

    def _places(self, points: Sequence[tuple[float, float]]) -> list[str]:
        return [f"{self._x(x):.1f} {self._y(y):.1f}" for x, y in points]

    def _label(self, x: float, y: float, text: str, anchor: str, kind: str = "") -> None:
        self._parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')
