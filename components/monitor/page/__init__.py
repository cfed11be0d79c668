"""drift.html, the page that a person opens on an alarm: plain words first, figures second."""
