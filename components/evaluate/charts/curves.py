"""The charts of what labels bring: from round to round, and with more of them than there are."""

from collections.abc import Sequence
from math import log
from typing import Any

from components.common.charts.axes import Axes


def rounds(title: str, history: Sequence[dict[str, Any]]) -> str:
    """Accuracy in percent with its 95 % interval against the training labels of each round; the last one stands out."""
    labels = [point["labels"] for point in history]
    room = max(1.0, 0.12 * (max(labels) - min(labels)))
    lows, highs = ([100 * point[f"accuracy_{end}"] for point in history] for end in ("low", "high"))
    axes = Axes(
        (min(labels) - room, max(labels) + room),
        (max(0.0, min(lows) - 1), min(100.0, max(highs) + 1)),
        "training labels",
        "right on the test split, %",
        _apart([(label, f"{label:,}") for label in sorted(set(labels))], min(labels) - room, max(labels) + room),
    )
    axes.line([(point["labels"], 100 * point["accuracy"]) for point in history], "pale")
    for place, point in enumerate(history):
        colour = "blue" if place == len(history) - 1 else "faint"
        share = 100 * point["accuracy"]
        axes.line([(point["labels"], lows[place]), (point["labels"], highs[place])], f"{colour} span")
        axes.dot(point["labels"], share, colour)
        right = point["labels"] <= (min(labels) + max(labels)) / 2
        text = f"round {point['round']}: {share:.1f}"
        axes.text(point["labels"], share, f" {text}" if right else f"{text} ", colour, "start" if right else "end", 9)
    return axes.svg(title)


def outlook(title: str, advice: dict[str, Any]) -> str:
    """The probe's errors in percent at growing numbers of labels, the curve through them with its 90 % interval, and
    the three places that label_advice.json names.
    """
    curve, measured = advice["curve"], advice["measured"]["points"]
    places = [
        (advice[key], name, colour)
        for key, name, colour in (("now", "now", "ink"), ("twice", "2x", "orange"), ("five_times", "5x", "orange"))
    ]
    xs = [log(point["labels"]) for point in (*curve, *measured)]
    highest = 1.15 * max(*(100 * point["error"] for point in measured), 100 * advice["now"]["high"], 1)
    named = sorted({measured[0]["labels"], *(place["labels"] for place, _, _ in places)})
    ticks = _apart([(log(labels), f"{labels:,}") for labels in named], min(xs), max(xs))
    axes = Axes((min(xs), max(xs)), (0, highest), "training labels", "error of the probe, %", ticks)
    ends = [(log(point["labels"]), 100 * point["low"], min(highest, 100 * point["high"])) for point in curve]
    axes.area([*((x, high) for x, _, high in ends), *((x, low) for x, low, _ in reversed(ends))], "blue")
    axes.line([(log(point["labels"]), min(highest, 100 * point["error"])) for point in curve], "blue")
    for point in measured:
        axes.dot(log(point["labels"]), 100 * point["error"], "faint")
    for place, name, colour in places:
        x, error = log(place["labels"]), 100 * place["error"]
        axes.dot(x, error, colour)
        axes.text(x, error, f"{name}: {error:.1f}", colour, "end" if name == "5x" else "middle", 10)
    return axes.svg(title)


def health(title: str, points: Sequence[tuple[float, float]], x_title: str, y_title: str) -> str:
    """One line through points, in percent."""
    axes = Axes((min(x for x, _ in points), max(x for x, _ in points)), (0, 100), x_title, y_title)
    axes.line(points, "blue")
    return axes.svg(title)


def _apart(marks: Sequence[tuple[float, str]], low: float, high: float) -> list[tuple[float, str]]:
    """The marks whose texts have room beside each other, the last one always."""
    kept: list[tuple[float, str]] = []
    for place, text in reversed(marks):
        if not kept or kept[-1][0] - place > 0.12 * (high - low):
            kept.append((place, text))
    return kept[::-1]
