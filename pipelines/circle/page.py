"""What a rehearsal came to: lines for a terminal, and a page with a picture."""

from collections.abc import Mapping, Sequence

from components.common.charts import STYLE
from components.common.charts.axes import Axes
from components.common.html import figures, named_rows, note, page, table, thumbnails
from pipelines.circle.story import Week

WIDE = ".chart { max-width: 760px } figure { width: 56px } figure img { width: 56px; height: 56px }"
HEADER = ("week", "images", "right", "without the watch", "expected", "the watch says", "labels", "takes over")


def rows(weeks: Sequence[Week]) -> list[tuple[str, ...]]:
    """A row of words for each week."""
    return [
        (
            week.name,
            str(week.images),
            _percent(week.accuracy),
            _percent(week.without),
            _expected(week),
            week.told,
            str(week.labels or ""),
            week.promoted,
        )
        for week in weeks
    ]


def lines(weeks: Sequence[Week]) -> list[str]:
    """The table in columns, and what it comes to."""
    cells = [HEADER, *rows(weeks)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER))]
    shown = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [*shown, told(weeks)]


def told(weeks: Sequence[Week]) -> str:
    """What the watch was good for, in a sentence."""
    last = weeks[-1]
    labels = sum(week.labels for week in weeks)
    return (
        f"in {last.name} {_percent(last.accuracy)} of what is served is right, and {_percent(last.without)} would be "
        f"without the watch; {sum(bool(week.promoted) for week in weeks)} models took over, for {labels} labels"
    )


def shown(weeks: Sequence[Week], pictures: Mapping[str, Sequence[bytes]]) -> str:
    """The page. pictures: a few images of each week (PNG), by its name."""
    last = weeks[-1]
    top = figures(
        [
            (f"right in {last.name}", _percent(last.accuracy)),
            ("without the watch", _percent(last.without)),
            ("alarms", sum(week.alarm for week in weeks)),
            ("models that took over", sum(bool(week.promoted) for week in weeks)),
            ("labels", sum(week.labels for week in weeks)),
        ]
    )
    legend = note(
        "With the watch: the model that was served. Without: the first model, on the same images. Bars: what the watch "
        "expected of the served model, without a label. A dot: an alarm."
    )
    return page(
        "The circle, week by week",
        [
            ("", f'{top}<div class="panel">{picture(weeks)}</div>{legend}'),
            ("Week by week", table(HEADER, rows(weeks))),
            (
                "What came",
                named_rows([(week.name, thumbnails((data, "") for data in pictures[week.name])) for week in weeks]),
            ),
        ],
        lead=told(weeks)[0].upper() + told(weeks)[1:] + ".",
        style=STYLE + WIDE,
    )


def picture(weeks: Sequence[Week]) -> str:
    """Accuracy in percent by week, with and without the watch."""
    numbers = range(1, len(weeks) + 1)
    lowest = min(min(week.accuracy, week.without, (week.expected or {}).get("low", 1)) for week in weeks)
    marks = [(number, str(number)) for number in numbers]
    axes = Axes((0.6, len(weeks) + 0.4), (100 * lowest - 2, 100), "week", "right, %", marks)
    axes.line([(number, 100 * week.without) for number, week in zip(numbers, weeks, strict=True)], "pale")
    axes.line([(number, 100 * week.accuracy) for number, week in zip(numbers, weeks, strict=True)], "blue")
    if len(weeks) > 1:
        axes.text(len(weeks), 100 * weeks[-1].accuracy, "with the watch", "blue", "end", 10)
        axes.text(len(weeks), 100 * weeks[-1].without, "without", "faint", "end", 10)
    for number, week in zip(numbers, weeks, strict=True):
        if week.expected:
            ends = [(number, 100 * week.expected["low"]), (number, 100 * week.expected["high"])]
            axes.line(ends, "faint span")
        if week.alarm:
            axes.dot(number, 100 * week.accuracy, "orange")
    return axes.svg(told(weeks))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _expected(week: Week) -> str:
    told = week.expected
    return f"{100 * told['low']:.0f} to {100 * told['high']:.0f} %" if told and told.get("low") is not None else ""
