"""How often the models are right: side by side, per class, and per slice."""

from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import Any

import numpy as np
from IPython.display import HTML

from components.common import words
from components.common.charts.tracks import Row, tracks
from components.common.html import note, table
from components.common.metrics import wilson_interval
from components.common.words import finding, percent
from components.evaluate import findings
from components.evaluate.pages.facts import Evaluation

MOST_CLASSES = 30  # rows that stay readable on one chart
MOST_SLICES = 12  # of one kind
MODELS = (("warmup", "warm-up"), ("champion", "champion"))
SMALL = "few images"


def side_by_side(facts: Evaluation) -> HTML:
    """The accuracy of the warm-up, the final and the champion's model on the test images, each with its interval."""
    about = facts.about
    rows = [
        Row(
            "warm-up",
            words.share(about["warmup_accuracy"]),
            [("", 100 * about["warmup_accuracy"])],
            _of(about, "warmup_accuracy"),
        ),
        Row(
            "final",
            words.share(about["accuracy"]),
            [("final", 100 * about["accuracy"])],
            _of(about, "accuracy"),
            "",
            "main",
        ),
    ]
    champion = (about.get("against") or {}).get("champion")
    if champion and champion["difference"] is not None:
        n, accuracy = champion["images"], champion["accuracy_there"]
        low, high = wilson_interval(round(accuracy * n), n)
        name = f"champion {champion['version']}" if champion["version"] else "champion"
        tag = f"on {n:,}" if n != about["images"] else ""
        rows.append(
            Row(name, words.share(accuracy), [("champion", 100 * accuracy)], (100 * low, 100 * high), tag, "other")
        )
    title = finding(findings.comparison(about))
    return HTML(title + _panel(tracks(rows, *_reach(rows), " %")))


def differences(facts: Evaluation) -> HTML:
    """The paired differences of the final model to the others, with interval, test, and what changed sides."""
    against = facts.about.get("against") or {}
    compared = [(name, against[key]) for key, name in MODELS if against.get(key)]
    sentences = [note(f"Against the {name} model: {each['why']}.") for name, each in compared]
    if compared and not against.get("champion"):
        sentences.append(note("There is no champion yet to compare with."))
    known = [(name, each) for name, each in compared if each["difference"] is not None]
    return HTML("".join(sentences) + (_differences(known) if known else ""))


def _differences(compared: Sequence[tuple[str, dict[str, Any]]]) -> str:
    rows = [
        Row(
            f"final over {name}",
            f"{100 * each['difference']:+.1f}",
            [("final", 100 * each["difference"])],
            (100 * each["low"], 100 * each["high"]),
            kind="main",
        )
        for name, each in compared
    ]
    low, high = _reach(rows)
    chart = _panel(tracks(rows, min(low, -0.5), max(high, 0.5), ""))
    header = ["final against", "images", "points", "95 % interval", "McNemar p", "mended", "newly wrong"]
    lines = [
        (
            name,
            each["images"],
            f"{100 * each['difference']:+.2f}",
            f"{100 * each['low']:+.2f} to {100 * each['high']:+.2f}",
            f"{each['mcnemar_p']:.2g}",
            each["mended"],
            each["made"],
        )
        for name, each in compared
    ]
    return f'{chart}<div class="figures-table">{table(header, lines)}</div>'


def classes(facts: Evaluation) -> HTML:
    """Precision, recall and F1 of each class, the weakest first; of many classes, the weakest."""
    figures = facts.per_class
    facts_of = {line["class"]: line for line in facts.about["per_class"]}
    order = np.argsort(np.nan_to_num(figures.f1, nan=2.0), kind="stable")[:MOST_CLASSES]
    champions = [facts_of[facts.names[c]].get("champion_recall") for c in order]
    rows = []
    for c, champion in zip(order, champions, strict=True):
        marks = [("precision", 100 * figures.precision[c]), ("recall", 100 * figures.recall[c])]
        marks += [("champion", 100 * champion)] if champion is not None else []
        known = [value for kind, value in marks if kind != "champion" and value == value]
        span = (min(known), max(known)) if known else None
        tag = SMALL if facts_of[facts.names[c]].get("small") else ""
        marks += [("f1", 100 * figures.f1[c])]
        support = f"{figures.support[c]:,} {words.plural('image', figures.support[c])}"
        rows.append(Row(facts.names[c], percent(figures.f1[c]), marks, span, tag, aside=support))
    legend = [("f1", "F1, the figure on the right"), ("recall", "recall"), ("precision", "precision")]
    legend += [("champion", "the champion's recall")] if any(value is not None for value in champions) else []
    title = findings.weakest(facts.names, figures.f1)
    return HTML(finding(title) + _panel(tracks(rows, *_reach(rows), " %", legend)))


def class_table(facts: Evaluation) -> HTML:
    """The same as numbers."""
    lines = facts.about["per_class"]
    beside = any(line.get("champion_recall") is not None for line in lines)
    rows = [
        (
            line["class"] + (f" ({SMALL})" if line.get("small") else ""),
            *(percent(line[name]) for name in ("precision", "recall", "f1")),
            *([percent(line.get("champion_recall"))] if beside else []),
            line["support"],
        )
        for line in lines
    ]
    header = ["class", "precision", "recall", "F1", *(["champion's recall"] if beside else []), "test images"]
    return HTML(f"<details><summary>As a table</summary>{table(header, rows)}</details>")


def slices(facts: Evaluation) -> HTML:
    """Accuracy of parts of the test images, a panel for each kind of part."""
    lines = facts.about.get("slices") or []
    if not lines:
        return HTML(note("The test images have nothing to be sliced by."))
    panels = [_slices(by, list(group)) for by, group in groupby(lines, key=lambda line: line["by"])]
    beside = any(line["champion_accuracy"] is not None for line in lines)
    said = findings.weakest_slice(lines, facts.about["accuracy"])
    note_of = "; rings: the champion on the same images" if beside else ""
    hint = note(f"Dots: accuracy with its 95 % interval{note_of}.")
    return HTML(finding(said) + hint + f'<div class="panels">{"".join(panels)}</div>')


def _slices(by: str, lines: Sequence[dict[str, Any]]) -> str:
    kept = list(lines)
    if len(lines) > MOST_SLICES:
        worst = sorted(range(len(lines)), key=lambda place: lines[place]["accuracy"])[:MOST_SLICES]
        kept = [lines[place] for place in sorted(worst)]
    rows = [_slice(line) for line in kept]
    more = f" (the {MOST_SLICES} weakest of {len(lines):,})" if len(lines) > MOST_SLICES else ""
    title = f"By {findings.kind_of_slice(by)}{more}"
    return f'<div class="panel"><b>{escape(title)}</b>{tracks(rows, *_reach(rows), " %")}</div>'


def _slice(line: dict[str, Any]) -> Row:
    champion = line["champion_accuracy"]
    marks = [("champion", 100 * champion)] if champion is not None else []
    return Row(
        line["name"],
        words.share(line["accuracy"]),
        [*marks, ("final", 100 * line["accuracy"])],
        (100 * line["low"], 100 * line["high"]),
        SMALL if line["small"] else "",
        "" if line["small"] else "main",
        f"{_range(line)}{line['images']:,} images{_forgotten(line)}",
    )


def _forgotten(line: dict[str, Any]) -> str:
    """How many of the slice's images the champion got right and the final model does not."""
    return f" · {line['forgotten']:,} forgotten" if line["forgotten"] else ""


def _range(line: dict[str, Any]) -> str:
    """From which to which number the slice reaches, where it was made of numbers."""
    low, high = line.get("from"), line.get("to")
    return "" if low is None or high is None else f"{low:.3g} to {high:.3g} · "


def _of(about: dict[str, Any], name: str) -> tuple[float, float]:
    return 100 * about[f"{name}_low"], 100 * about[f"{name}_high"]


def _reach(rows: Sequence[Row]) -> tuple[float, float]:
    """A scale that holds all marks and intervals, with a little room at the ends."""
    places = [
        place for row in rows for place in (*(at for _, at in row.marks), *(row.interval or ())) if place == place
    ]
    low, high = min(places, default=0.0), max(places, default=100.0)
    room = max(0.05 * (high - low), 0.2)
    return (max(0.0, low - room) if low >= 0 else low - room), (min(100.0, high + room) if high <= 100 else high + room)


def _panel(chart: str) -> str:
    return f'<div class="panel">{chart}</div>'
