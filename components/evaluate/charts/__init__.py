"""Charts as HTML and inline SVG: they take their colours from the page, in light and in dark, and fit a phone."""
