"""What to do next, by what a look found."""

from collections.abc import Mapping
from html import escape
from typing import Any

from components.monitor.settings import MonitorSettings

LABEL = "gleaner label -c CONFIG"
SOURCE = ("brightness", "size", "sharpness")  # what a camera or a converter changes


def advice(drift: Mapping[str, Any], settings: MonitorSettings) -> str:
    """Numbered steps, the first one first."""
    steps = "\n".join(f"<li>{step}</li>" for step in _steps(drift, settings))
    return f'<ol class="steps">\n{steps}\n</ol>'


def _steps(drift: Mapping[str, Any], settings: MonitorSettings) -> list[str]:
    if drift["verdict"]["cannot_tell"]:
        return [
            "Wait: the next look takes these images in as well. A log that keeps more of the answers "
            f"({_code('gleaner serve --log-rate')}) or a lower {_code('monitor.min_images')} tells sooner."
        ]
    waiting = (drift["audit"] or {}).get("waiting", 0)
    audit = []
    if waiting:
        audit = [f"Label the {waiting:,} audited answers that wait: {_code(LABEL)}."]
    if not drift["verdict"]["alarm"]:
        return ["Nothing has to be done: the next look comes by itself.", *audit]
    if not settings.audit:
        audit = [f"Measure the true accuracy: with {_code('monitor.audit: 20')} people label 20 answers a week."]
    raised = {test["name"] for test in drift["signals"] if test["alarm"]}
    broken = (
        "Look whether something is wrong where the images come from, such as a camera, a lamp or a converter. What is "
        "broken there is mended there: no label helps."
    )
    began = (
        "If it began with this release, go back to the one before it: "
        f"{_code('gleaner release rollback -c CONFIG --who YOU --why WHY')}."
    )
    wrong = drift["accuracy"]["alarm"] or bool(drift["audit"] and drift["audit"]["alarm"])
    return [
        *([broken] if raised.intersection(SOURCE) else []),
        "Look at the new images below. Is there a class that the model does not know? It needs a name first.",
        "Take the new images into the data set, and have those labelled that candidates.csv beside this page names: "
        f"{_code('gleaner run CONFIG sample.candidates_from=candidates.csv')}, then {_code(LABEL)}.",
        _training(settings),
        *audit,
        *([began] if wrong else []),
    ]


def _training(settings: MonitorSettings) -> str:
    if settings.train:
        return "Training on them is started by this alarm, unless another one started it a short while ago."
    return (
        f"To have an alarm start that run by itself, set {_code('monitor.train: true')}, or look with "
        f"{_code('gleaner monitor -c CONFIG --train')}."
    )


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"
