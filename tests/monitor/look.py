"""A look, as `compare` publishes one, that tells of everything."""

from typing import Any

LOOK: dict[str, Any] = {
    "format": 1,
    "model": "digits",
    "version": "v1",
    "number": 1,
    "since": "2026-02-23T06:00:00+00:00",
    "until": "2026-03-02T06:00:00+00:00",
    "images": 812,
    "signals": [
        {"name": "embedding_mmd", "family": "inputs", "p": 0.0001, "alarm": True},
        {"name": "size", "family": "inputs", "p": None, "alarm": False},
    ],
    "shares": [{"class": "7", "reference": 0.1, "predicted": 0.2, "estimate": 0.19, "low": 0.16, "high": 0.22}],
    "accuracy": {
        "held_out": {"value": 0.97, "low": 0.95, "high": 0.98, "images": 400},
        "atc": {"value": 0.9, "low": 0.87, "high": 0.93},
        "doc": {"value": 0.91, "low": 0.88, "high": 0.94},
    },
    "audit": {"drawn": 20, "labelled": 18, "right": 16, "accuracy": 0.89, "low": 0.7, "high": 0.99},
    "novel": {"images": 31, "share": 0.04, "usual_share": 0.01, "threshold": 0.2, "ids": []},
    "verdict": {"alarm": True, "cannot_tell": False, "title": "the inputs have drifted", "why": []},
}
