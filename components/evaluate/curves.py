"""The charts of what labels bring: from round to round, and with more of them than there are."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from components.evaluate.plots import BLUE, GREY, INK, ORANGE, PALE, blank, styled

COUNT = FuncFormatter(lambda value, _: f"{value:,.0f}")


@styled
def rounds(title: str, history: Sequence[dict[str, Any]]) -> Figure:
    """Accuracy with its 95 % interval against the training labels of each round; the last one stands out."""
    figure = blank(3.0, title)
    axes = figure.subplots()
    labels = [point["labels"] for point in history]
    shares = [100 * point["accuracy"] for point in history]
    axes.plot(labels, shares, color=PALE, linewidth=2, zorder=1)
    for place, point in enumerate(history):
        last = place == len(history) - 1
        colour = BLUE if last else GREY
        bounds = [100 * point["accuracy_low"], 100 * point["accuracy_high"]]
        axes.plot([labels[place]] * 2, bounds, color=colour, linewidth=3, alpha=0.45, solid_capstyle="round")
        axes.plot(labels[place], shares[place], "o", color=colour, markersize=8)
        right = place == 0 or labels[place] < (labels[0] + labels[-1]) / 2
        axes.annotate(
            f"round {point['round']}  {shares[place]:.1f} %",
            (labels[place], shares[place]),
            (9 if right else -9, 7),
            textcoords="offset points",
            ha="left" if right else "right",
            color=colour,
            fontweight="bold" if last else "normal",
        )
    axes.set(xticks=sorted(set(labels)), xlabel="training labels", ylabel="accuracy on the test split, %")
    axes.margins(x=0.12, y=0.12)
    axes.xaxis.set_major_formatter(COUNT)
    return figure


@styled
def outlook(title: str, advice: dict[str, Any]) -> Figure:
    """The probe's errors at growing numbers of labels, the curve through them with its 90 % interval, and the three
    places that label_advice.json names.
    """
    figure = blank(3.6, title)
    axes = figure.subplots()
    curve = advice["curve"]
    labels = [point["labels"] for point in curve]
    low, middle, high = ([100 * point[name] for point in curve] for name in ("low", "error", "high"))
    axes.fill_between(labels, low, high, color=BLUE, alpha=0.14, linewidth=0, label="90 % interval")
    axes.plot(labels, middle, color=BLUE, linewidth=2, label="fitted curve")
    measured = advice["measured"]["points"]
    axes.plot(
        [point["labels"] for point in measured],
        [100 * point["error"] for point in measured],
        "o",
        color=GREY,
        markersize=5,
        label="measured",
    )
    names = (("now", "now", INK), ("twice", "2x", ORANGE), ("five_times", "5x", ORANGE))
    for key, name, colour in names:
        place = advice[key]
        axes.plot(place["labels"], 100 * place["error"], "o", color=colour, markersize=8, zorder=4)
        axes.annotate(
            f"{name}  {100 * place['error']:.1f} %",
            (place["labels"], 100 * place["error"]),
            (0, 10),
            textcoords="offset points",
            ha="right" if key == "five_times" else "left",
            color=colour,
            fontweight="bold",
        )
    axes.set_xscale("log")
    ticks = sorted({measured[0]["labels"], *(advice[key]["labels"] for key, _, _ in names)})
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="training labels", ylabel="error of the probe, %")
    axes.set_ylim(0, 1.1 * max(*(100 * point["error"] for point in measured), 100 * advice["now"]["high"], 1))
    figure.legend(loc="outside lower center", ncols=3)
    return figure
