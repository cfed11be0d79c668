"""Charts as HTML and inline SVG: they take their colours from the page, in light and in dark, and fit a phone."""

from pathlib import Path

STYLE = (Path(__file__).parent / "charts.css").read_text(encoding="utf-8")
"""What a page with charts adds to the style of `components.common.html`: the colours, the box of a verdict, panels."""
