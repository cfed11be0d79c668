"""Whether the confidence can be believed, and what it is worth to leave the unsure images to a person."""

from typing import Any

import numpy as np
from IPython.display import HTML

from components.common import words
from components.common.charts.axes import Axes
from components.common.charts.tracks import keys
from components.common.html import escape, figures, note
from components.common.metrics import Bins, reliability
from components.common.words import finding, whole
from components.evaluate import findings
from components.evaluate.pages.facts import Evaluation

STRIP = 0.3  # of the height of a reliability diagram, for the numbers of images


def calibration(facts: Evaluation) -> HTML:
    """Accuracy against confidence, before and after the temperature; and the mistakes among the surest answers."""
    about = facts.about
    columns = facts.predictions
    right = columns["label"] == columns["predicted"]

    def panel(name: str, column: str, error: float) -> str:
        title = f"{name}: calibration error {words.share(error)}"
        drawn = diagram(reliability(columns[column], right, about["bins"]), title)
        return f'<div class="panel"><b>{escape(title)}</b>{drawn}</div>'

    applied = about["temperature"] != 1
    panels = [panel("Before, T = 1" if applied else "T = 1", "raw_confidence", about["ece_before"])]
    if applied:
        panels.append(panel(f"After, T = {about['temperature']:.2f}", "confidence", about["ece_after"]))
    panels.append(risk_coverage(about["risk_coverage"]))
    legend = keys([("blue", "share that is right"), ("orange", "mean confidence"), ("pale", "how many images")])
    return HTML(finding(findings.calibration(about)) + legend + f'<div class="panels wide">{"".join(panels)}</div>')


def diagram(bins: Bins, alt: str) -> str:
    """A reliability diagram: bars on the diagonal mean that a confidence can be believed; below, how many
    images are that sure.
    """
    axes = Axes((0, 1), (-STRIP, 1), "confidence", "share that is right", y_ticks=(0, 0.25, 0.5, 0.75, 1))
    filled = np.flatnonzero(bins.images)
    for k in filled:
        axes.bar(bins.lower[k], bins.upper[k], 0, bins.accuracy[k], "blue soft")
        height = 0.85 * STRIP * bins.images[k] / bins.images.max()
        axes.bar(bins.lower[k], bins.upper[k], -STRIP, height - STRIP, "pale")
    axes.line([(0, 0), (1, 1)], "faint thin")
    for k in filled:
        middle, width = (bins.lower[k] + bins.upper[k]) / 2, bins.upper[k] - bins.lower[k]
        axes.line([(middle, bins.accuracy[k]), (middle, bins.confidence[k])], "orange")
        axes.line([(middle - width / 3, bins.confidence[k]), (middle + width / 3, bins.confidence[k])], "orange")
    return axes.svg(alt)


def risk_coverage(curve: dict[str, Any]) -> str:
    """The error among the images that the model is surest of."""
    points = [(100 * c, 100 * r) for c, r in zip(curve["coverage"], curve["risk"], strict=True)]
    highest = max(1.0, 1.1 * max(r for _, r in points))
    axes = Axes((0, 100), (0, highest), "images answered, the surest first, %", "of them wrong, %")
    axes.area([(points[0][0], 0), *points, (points[-1][0], 0)], "blue")
    axes.line(points, "blue")
    title = findings.risk(curve)
    return f'<div class="panel"><b>{escape(title)}</b>{axes.svg(title)}</div>'


def thresholds(facts: Evaluation) -> HTML:
    """From which confidence on an answer is left alone, and the sets of classes that hold the true one."""
    about = facts.about["thresholds"]
    parts = [*_precision(about.get("precision")), *_conformal(about.get("conformal"))]
    return HTML("".join(parts) or note("No threshold was fitted."))


def _precision(about: dict[str, Any] | None) -> list[str]:
    if not about:
        return []
    if about["threshold"] is None:
        return [note(words.sentence(about["why"]))]
    shown: list[tuple[str, object]] = [
        (f"least confidence for {whole(about['wanted'])} right", f"{about['threshold']:.3f}"),
        ("of the calibration images go to a person", words.share(about["abstained"])),
    ]
    if about.get("precision_test") is not None:
        reach = f"right on the test split above it; 95 % interval {100 * about['low']:.1f} to {100 * about['high']:.1f}"
        shown.append((reach, words.share(about["precision_test"])))
    if about.get("abstained_test") is not None:
        shown.append(("of the test images go to a person", words.share(about["abstained_test"])))
    return [figures(shown), note(words.sentence(about["why"]))]


def _conformal(about: dict[str, Any] | None) -> list[str]:
    if not about:
        return []
    if about["quantile"] is None:
        return [note(words.sentence(about["why"]))]
    shown: list[tuple[str, object]] = [
        (
            f"quantile for sets that hold the true class {whole(about['coverage'])} of the time",
            f"{about['quantile']:.3f}",
        )
    ]
    if about.get("coverage_test") is not None:
        reach = f"of the test sets hold it; 95 % interval {100 * about['low']:.1f} to {100 * about['high']:.1f}"
        shown.append((reach, words.share(about["coverage_test"])))
    if about.get("mean_size") is not None:
        shown.append(("classes in a set on average", f"{about['mean_size']:.2f}"))
    return [figures(shown), note(words.sentence(about["why"]))]
