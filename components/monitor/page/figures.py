"""The figures behind a look, for whoever wants to check it."""

from collections.abc import Mapping
from math import log, sqrt
from typing import Any

from components.common.html import note, table
from components.common.words import plural
from components.monitor.page.changes import NAMES
from components.monitor.settings import MonitorSettings


def tests(drift: Mapping[str, Any], settings: MonitorSettings) -> str:
    """All tests with their figures, and what they rest on."""
    made = [*drift["signals"], *([{**drift["accuracy"], "name": "accuracy"}] if drift["accuracy"]["atc"] else [])]
    rows = [
        (
            NAMES.get(test["name"], test["name"]),
            "alarm" if test["alarm"] else "small" if test["significant"] else "no",
            f"{test['p']:.1e}",
            f"{test['level']:.1e}",
            f"{test['effect']:.3f}",
            f"{test['least']:g}",
            test["test"],
        )
        for test in made
    ]
    header = ["what", "changed", "p", "alarm at", "effect", "matters at", "test"]
    text = (
        "An alarm needs a p of at most its level, and an effect that matters. A look may spend "
        f"{drift['level']:.1e} of the {settings.false_alarms:g} false alarms of a year, in proportion to the time that "
        f"it covers, and its tests share that. The looks of the last year have spent {drift['spent_in_year']:.1e}. So "
        f"many images show a shift of a single figure from about {_visible(drift):.2f} on. The tests take images as "
        "drawn one by one: a burst of nearly equal ones counts for more than it is."
    )
    return f'<div class="tests">{table(header, rows)}</div>' + "".join(note(each) for each in (text, *left_out(drift)))


def _visible(drift: Mapping[str, Any]) -> float:
    """The Kolmogorov-Smirnov distance at which Kolmogorov's limit is the smallest level of the look's tests."""
    n, m = drift["images"], drift["reference_images"]
    level = min(test["level"] for test in drift["signals"])
    return sqrt(log(2 / level) / 2 * (n + m) / (n * m))


def left_out(drift: Mapping[str, Any]) -> list[str]:
    """What was not compared, and where all of it lies."""
    told = [drift["lacks"]] if drift["lacks"] else []
    if drift["seen"] > drift["images"]:
        told.append(f"Of {drift['seen']:,} images {drift['images']:,} were drawn at random.")
    if drift["unreadable"]:
        told.append(f"{drift['unreadable']:,} {plural('image', drift['unreadable'])} could not be read.")
    others = [f"{count:,} of {version}" for version, count in sorted(drift["others"].items())]
    if others:
        told.append(f"Answers of other releases were left out: {', '.join(others)}.")
    return [*told, f"Release: {drift['release']}. Images: {drift['place']}."]
