"""Parts of report.ipynb about the labels: what changed since the round before, and whether more of them would pay."""

from typing import Any

from IPython.display import HTML

from components.common.html import figures, note, table
from components.common.words import finding, share
from components.evaluate.charts import curves
from components.evaluate.history import told
from components.evaluate.pages.facts import Evaluation

MOST_CLASSES = 12  # whose change is shown


def since(facts: Evaluation) -> HTML:
    """What this round has that the one before had not."""
    changes = facts.about["since"]
    labels = changes["labels"]
    shown: list[tuple[str, object]] = []
    if "accuracy" in changes:
        change = changes["accuracy"]
        interval = f"points of accuracy; 95 % interval {100 * change['low']:+.1f} to {100 * change['high']:+.1f}"
        shown.append((interval, f"{100 * change['change']:+.1f}"))
    shown += [
        ("labels more", labels["added"]),
        ("labels changed", labels["changed"]),
        ("labels withdrawn", labels["withdrawn"]),
    ]
    spread = changes["propagated"]
    if spread["before"] or spread["after"]:
        shown.append((f"propagated labels; {spread['before']:,} before", spread["after"]))
    return HTML(note(f"Since round {changes['round']}: {told(changes)}.") + figures(shown))


def rounds(facts: Evaluation) -> HTML | None:
    """Accuracy against labels, round after round; nothing where fewer than two were measured."""
    history = [point for point in facts.about["since"]["history"] if point["images"]]
    if len(history) < 2:
        return None
    first, last = history[0], history[-1]
    title = (
        f"{last['labels'] - first['labels']:+,} training labels since round {first['round']} brought "
        f"{100 * (last['accuracy'] - first['accuracy']):+.1f} points of accuracy"
    )
    return HTML(_chart(title, curves.rounds(title, history)))


def since_tables(facts: Evaluation) -> HTML:
    """Classes, labels and picks that changed, each where there are any."""
    changes = facts.about["since"]
    parts = []
    moved = [line for line in changes["per_class"] if abs(line["after"] - line["before"]) >= 0.0005]
    if moved:
        rows = [
            (
                line["class"],
                share(line["before"]),
                share(line["after"]),
                f"{100 * (line['after'] - line['before']):+.1f}",
            )
            for line in moved[:MOST_CLASSES]
        ]
        more = f" The {MOST_CLASSES} of {len(moved):,} that changed most." if len(moved) > MOST_CLASSES else ""
        parts.append(note(f"F1 of the classes, the greatest change first.{more}"))
        parts.append(table(["class", f"round {changes['round']}", "now", "points"], rows))
    if changes["labels"]["listed"]:
        listed = [
            (line["id"][:16], line["before"], line["after"] or "withdrawn") for line in changes["labels"]["listed"]
        ]
        parts.append(note("Labels that changed or were withdrawn."))
        parts.append(table(["image", "was", "is"], listed))
    before, after = changes["picks"]["before"], changes["picks"]["after"]
    if before and after:
        kinds = sorted(before["kinds"].keys() | after["kinds"].keys())
        if kinds:
            parts.append(note("Images asked for to train on, by why they were picked."))
            picks = [(name, before["kinds"].get(name, 0), after["kinds"].get(name, 0)) for name in kinds]
            parts.append(table(["reason", f"round {changes['round']}", "now"], picks))
    return HTML("".join(parts))


def advice(facts: Evaluation) -> HTML:
    """Whether more labels would pay, with the rule, and beside the probe's figures those of the final model."""
    about = facts.about["advice"]
    said = f"{about['said'][0].upper()}{about['said'][1:]}."
    if "now" not in about:
        return HTML(note(said))
    cost = about["point"]["said"]
    lines = [
        said,
        f"{cost[0].upper()}{cost[1:]}.",
        f"These are {about['about']}. Measured by {about['measured']['by']} on {about['measured']['images']:,} images. "
        f"Rule: {about['rule']}.",
    ]
    names = (("now", "now"), ("twice", "2x"), ("five_times", "5x"))
    rows = [
        (name, about[key]["labels"], share(about[key]["error"]), _interval(about[key]), _final(facts.about, key))
        for key, name in names
    ]
    header = ["", "training labels", "error of the probe", "90 % interval", "error of the final model"]
    return HTML("".join(map(note, lines)) + table(header, rows))


def curve(facts: Evaluation) -> HTML | None:
    """The learning curve; nothing where the labels were too few for one."""
    about = facts.about["advice"]
    return HTML(_chart(_title(about), curves.outlook(_title(about), about))) if "curve" in about else None


def shape(facts: Evaluation) -> HTML:
    """Whether clusters of embeddings and labels agree, and whether neighbours share a cluster."""
    said = [facts.about[name]["sentence"] for name in ("assumption", "neighbours") if name in facts.about]
    return HTML("".join(map(note, said)))


def _chart(title: str, drawn: str) -> str:
    return f'{finding(title)}<div class="panels wide"><div class="panel">{drawn}</div></div>'


def _interval(place: dict[str, Any]) -> str:
    return f"{100 * place['low']:.1f} to {share(place['high'])}"


def _final(about: dict[str, Any], key: str) -> str:
    return share(1 - about["accuracy"]) if key == "now" and about["images"] else "–"


def _title(about: dict[str, Any]) -> str:
    gain = 100 * (about["now"]["error"] - about["twice"]["error"])
    return {
        "go on": f"Twice the labels would take about {gain:.1f} points off the error",
        "stop": "More labels of this kind would bring less than a point",
    }.get(about["verdict"], "Whether more labels would pay cannot be told yet")
