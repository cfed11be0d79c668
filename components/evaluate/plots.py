"""The charts of the report: one style, colours that colour-blind readers can tell apart, titles that state the finding.

Each function takes arrays and returns a matplotlib figure; none touches global state, so equal inputs give equal
pictures.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from components.common.metrics import Bins, PerClass

INK, GREY, PALE, LINE = "#1f2933", "#7b8794", "#cbd2d9", "#e4e7eb"
BLUE, ORANGE = "#0072b2", "#d55e00"  # of Okabe and Ito's palette
# after Paul Tol
CLASSES = ("#332288", "#44aa99", "#cc6677", "#ddaa33", "#88ccee", "#117733", "#aa4499", "#999933", "#882255", "#4477aa")
MOST_CLASSES = 30  # rows that stay readable on one chart
STYLE: Any = {
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.labelcolor": INK,
    "axes.edgecolor": PALE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
}


def styled(plot: Callable[..., Figure]) -> Callable[..., Figure]:
    @wraps(plot)
    def draw(*args: Any, **kwargs: Any) -> Figure:
        with mpl.rc_context(STYLE):
            return plot(*args, **kwargs)

    return draw


def blank(height: float, title: str, width: float = 7.2) -> Figure:
    """An empty figure, inches, with its finding on top."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(fill(title, int(width * 11)), x=0.01, ha="left", fontsize=11.5, fontweight="bold")
    return figure


def percent(share: float, digits: int = 1) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.{digits}f} %"


@styled
def accuracy(title: str, rows: Sequence[tuple[str, float, float, float]]) -> Figure:
    """One line per model: name, accuracy, and the bounds of its 95 % interval."""
    figure = blank(0.85 + 0.42 * len(rows), title)
    axes = figure.subplots()
    for place, (name, share, low, high) in enumerate(reversed(rows)):
        colour = BLUE if place == 0 else GREY
        axes.plot(
            [100 * low, 100 * high], [place, place], color=colour, linewidth=3, alpha=0.45, solid_capstyle="round"
        )
        axes.plot(100 * share, place, "o", color=colour, markersize=8)
        axes.annotate(
            f"{name}  {percent(share)}",
            (100 * share, place),
            (0, 9),
            textcoords="offset points",
            ha="center",
            color=colour,
            fontweight="bold",
        )
    least = 100 * min(low for _, _, low, _ in rows)
    axes.set(yticks=[], ylim=(-0.5, len(rows) - 0.2), xlim=(max(0, least - 4), 101))
    axes.set_xlabel("accuracy on the test split, %, with its 95 % interval")
    axes.spines["left"].set_visible(False)
    return figure


@styled
def classes(title: str, names: Sequence[str], figures: PerClass) -> Figure:
    """Precision, recall and F1 of each class, the weakest on top; of many classes, the weakest."""
    order = np.argsort(np.nan_to_num(figures.f1, nan=2.0), kind="stable")[:MOST_CLASSES][::-1]
    figure = blank(1.2 + 0.24 * len(order), title)
    axes = figure.subplots()
    places = np.arange(len(order))
    lowest, highest = (f(np.stack(figures[:3])[:, order], axis=0) for f in (np.fmin.reduce, np.fmax.reduce))
    axes.hlines(places, 100 * lowest, 100 * highest, color=PALE, linewidth=2)
    marks = (
        ("precision", figures.precision, "<", ORANGE),
        ("recall", figures.recall, ">", GREY),
        ("F1", figures.f1, "o", BLUE),
    )
    for name, values, marker, colour in marks:
        axes.scatter(100 * values[order], places, s=34, marker=marker, color=colour, label=name, zorder=3)
    axes.set(
        yticks=places,
        yticklabels=[f"{names[c]}  ({figures.support[c]})" for c in order],
        xlabel="%",
        ylim=(-0.7, len(order) - 0.3),
    )
    axes.set_xlim(right=101)
    axes.set_ylabel("class (test images)")
    figure.legend(loc="outside lower right", ncols=3, handletextpad=0.1)
    return figure


@styled
def confusion(title: str, names: Sequence[str], matrix: np.ndarray) -> Figure:
    """Rows are true classes; right answers in blue, mistakes in orange, as deep as their share of the row. Of many
    classes, the worst.
    """
    errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
    kept = np.sort(np.argsort(-errors, kind="stable")[:MOST_CLASSES])
    counts = matrix[np.ix_(kept, kept)]
    share = counts / np.maximum(matrix[kept].sum(axis=1, keepdims=True), 1)
    depth = np.where(np.eye(len(kept), dtype=bool), share * 0.8, np.minimum(1, share * 3) ** 0.6)[..., None]
    hue = np.where(np.eye(len(kept), dtype=bool)[..., None], mpl.colors.to_rgb(BLUE), mpl.colors.to_rgb(ORANGE))
    side = float(np.clip(0.36 * len(kept) + 1.6, 3.6, 7.2))
    figure = blank(side + 0.4, title, width=max(side, 5.4))
    axes = figure.subplots()
    axes.imshow(np.where(counts[..., None] > 0, 1 - depth * (1 - hue), mpl.colors.to_rgb("#f5f7fa")))
    for row, column in zip(*np.nonzero(counts), strict=True):
        axes.text(
            column,
            row,
            counts[row, column],
            ha="center",
            va="center",
            fontsize=8 if len(kept) <= 20 else 5,
            color="white" if depth[row, column, 0] > 0.55 else INK,
        )
    labels = [names[c] for c in kept]
    ticks = np.arange(len(kept))
    axes.set(xticks=ticks, yticks=ticks, xticklabels=labels, yticklabels=labels, xlabel="predicted", ylabel="true")
    axes.tick_params(axis="x", labelrotation=90 if max(map(len, labels)) > 3 else 0)
    axes.set_xticks(ticks[:-1] + 0.5, minor=True)
    axes.set_yticks(ticks[:-1] + 0.5, minor=True)
    axes.grid(False)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    return figure


@styled
def reliability(title: str, panels: Sequence[tuple[str, Bins]]) -> Figure:
    """Accuracy against confidence, a panel per temperature: bars on the diagonal mean that a confidence can be
    believed.
    """
    figure = blank(4.3, title, width=7.2 if len(panels) > 1 else 5)
    grid = figure.subplots(2, len(panels), height_ratios=(4, 1), sharex=True, sharey="row", squeeze=False)
    for (name, bins), top, bottom in zip(panels, grid[0], grid[1], strict=False):
        _bars(top, bins)
        top.set_title(name, color=INK)
        bottom.bar(bins.lower, bins.images, bins.upper - bins.lower, align="edge", color=PALE, edgecolor="white")
        bottom.set(xlabel="confidence", xlim=(0, 1))
    grid[0, 0].set_ylabel("accuracy")
    grid[1, 0].set_ylabel("images")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _bars(axes: Axes, bins: Bins) -> None:
    full = bins.images > 0
    left = bins.lower[full]
    width = (bins.upper - bins.lower)[full]
    right = bins.accuracy[full]
    said = bins.confidence[full]
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="perfect calibration")
    axes.bar(left, right, width, align="edge", color=BLUE, edgecolor="white", alpha=0.75, label="share that is right")
    axes.vlines(left + width / 2, right, said, color=ORANGE, linewidth=1.5)
    axes.hlines(said, left + 0.15 * width, left + 0.85 * width, color=ORANGE, linewidth=2.5, label="mean confidence")
    axes.set(ylim=(0, 1.02))


@styled
def embedding_map(
    title: str, points: np.ndarray, names: Sequence[str], label: np.ndarray, picked: np.ndarray
) -> Figure:
    """Points (n, 2) coloured by class index (-1: no label bought); `picked` (n,) marks the labelled training images
    with a ring.
    """
    figure = blank(6.6, title)
    axes = figure.subplots()
    unknown = label < 0
    ringed = picked & ~unknown
    x, y = points.T
    axes.scatter(x[unknown], y[unknown], s=7, color=PALE, linewidths=0)
    colours = np.array([CLASSES[c % len(CLASSES)] for c in range(len(names))] or [INK])
    axes.scatter(x[~unknown], y[~unknown], s=13, c=colours[label[~unknown]], linewidths=0, alpha=0.9)
    axes.scatter(x[ringed], y[ringed], s=60, c=colours[label[ringed]], edgecolors=INK, linewidths=1.4)
    if len(names) <= MOST_CLASSES:
        for c in np.unique(label[~unknown]):
            across, up = np.median(points[label == c], axis=0)
            axes.text(
                across,
                up,
                names[c],
                fontsize=11,
                fontweight="bold",
                ha="center",
                va="center",
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )
    axes.scatter([], [], s=60, facecolors="white", edgecolors=INK, linewidths=1.4, label="labelled for training")
    axes.scatter([], [], s=14, color=GREY, label="other labelled image, coloured by class")
    axes.scatter([], [], s=14, color=PALE, label="no label bought")
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, handletextpad=0.2)
    return figure
