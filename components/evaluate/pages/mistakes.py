"""What the model gets wrong: which classes it mixes up, which mistakes belong together, and which labels look wrong."""

from html import escape
from typing import Any

import numpy as np
from IPython.display import HTML

from components.common import words
from components.common.charts.tracks import Row, tracks
from components.common.html import note, table
from components.common.words import finding, share, whole
from components.evaluate import findings
from components.evaluate.charts import grid
from components.evaluate.pages.facts import Evaluation
from components.evaluate.pages.pictures import SHEET, sheet

PAIRS, OF_PAIR = 6, 8  # confused pairs shown, and pictures of each
LISTED = 24  # pictures of a sheet


def confusion(facts: Evaluation) -> HTML:
    """Which classes are taken for which."""
    kept = grid.shown_classes(facts.matrix)
    more = len(facts.names) - len(kept)
    hint = note(f"The {len(kept)} classes that are mistaken most; {more:,} others are left out.") if more else ""
    title = finding(findings.most_mistaken(facts.names, facts.matrix))
    return HTML(title + hint + grid.confusion(facts.names, facts.matrix))


def pairs(facts: Evaluation) -> HTML | None:
    """The most confused pairs with some of their pictures; nothing where nothing was confused."""
    columns = facts.predictions
    panels = []
    for pair in facts.about["confused"][:PAIRS]:
        label, said = pair["label"], pair["predicted"]
        places = [i for i in facts.wrong if columns["label"][i] == label and columns["predicted"][i] == said][:OF_PAIR]
        shown = [(columns["id"][i], whole(columns["confidence"][i]), "sure") for i in places]
        name = f"{label} taken for {said}: {pair['images']:,} {words.plural('image', pair['images'])}"
        panels.append(f'<div class="panel"><b>{escape(name)}</b>{sheet(facts, shown, SHEET // PAIRS)}</div>')
    return HTML(f'<div class="panels">{"".join(panels)}</div>') if panels else None


def surest(facts: Evaluation, most: int) -> HTML:
    """Pictures of the mistakes that the model was surest of."""
    shown = facts.wrong[:most]
    if not len(shown):
        return HTML(note("No mistake to show."))
    counts = f"{len(shown):,} of {len(facts.wrong):,}"
    legend = f"The surest {counts} mistakes: the true class, then the model's and its confidence."
    return HTML(note(legend) + sheet(facts, [_mistake(facts, i) for i in shown]))


def clusters(facts: Evaluation) -> HTML:
    """Mistakes that lie together in embedding space, a sheet for each cluster."""
    found = facts.about["clusters"]
    if not found:
        return HTML(note("Too few mistakes to cluster."))
    place_of = {image: place for place, image in enumerate(facts.predictions["id"].tolist())}
    panels = []
    for cluster in found:
        shown = [_mistake(facts, place_of[image]) for image in cluster["ids"][:LISTED]]
        name = (
            f"Cluster {cluster['number']}: {cluster['images']:,} {words.plural('mistake', cluster['images'])} "
            f"({whole(cluster['share'])}); the class is most often {cluster['label_most']}, "
            f"the answer {cluster['predicted_most']}"
        )
        panels.append(f'<div class="panel"><b>{escape(name)}</b>{sheet(facts, shown, 2 * SHEET // len(found))}</div>')
    return HTML(finding(findings.largest_cluster(found)) + "".join(panels))


def suspects(facts: Evaluation) -> HTML:
    """Labels that look wrong, with their pictures, and as a list to hand on."""
    found = facts.about["suspects"]
    if not found:
        return HTML(note("No label stands out as wrong."))
    shown = [
        (
            each["id"],
            f"{each['label']}?",
            f"looks like {each['suggested']} ({whole(each['confidence'])}), {each['purpose']}",
        )
        for each in found[:LISTED]
    ]
    rows = [(each["id"], each["label"], each["suggested"], each["purpose"]) for each in found]
    listed = table(["image", "label", "looks like", "purpose"], rows)
    title = findings.suspects(facts.about.get("suspects_found", len(found)), len(shown))
    return HTML(
        finding(title)
        + sheet(facts, shown)
        + f"<details><summary>The {len(found):,} likeliest as a list</summary>{listed}</details>"
    )


def forgotten(facts: Evaluation) -> HTML:
    """What the champion got right and the final model does not: per class, and as a sheet."""
    lost = facts.about["forgotten"]
    title = finding(findings.forgotten(lost))
    columns = facts.predictions
    known = (columns["champion_predicted"] == columns["label"]) & columns["champion_compared"].astype(bool)
    places = [i for i in facts.wrong if known[i]]
    return HTML(title + forgotten_by_class(facts, lost) + sheet(facts, [_mistake(facts, i) for i in places[:LISTED]]))


def forgotten_by_class(facts: Evaluation, lost: dict[str, Any]) -> str:
    """A bar for each class of which something was forgotten: the share of its images that were right then."""
    lines = sorted((line for line in lost["per_class"] if line["images"]), key=lambda line: -line["share"])
    rows = [
        Row(
            line["class"],
            share(line["share"]),
            [("lost", 100 * line["share"])],
            (0.0, 100 * line["share"]),
            kind="other",
            aside=f"{line['images']:,} of {line['of']:,}",
        )
        for line in lines[: grid.MOST_CLASSES]
    ]
    if not rows:
        return ""
    highest = float(np.ceil(max(mark for row in rows for _, mark in row.marks) * 1.1))
    return f'<div class="panel">{tracks(rows, 0, max(1.0, highest), " %")}</div>'


def _mistake(facts: Evaluation, place: int) -> tuple[str, str, str]:
    columns = facts.predictions
    said = f"taken for {columns['predicted'][place]} ({whole(columns['confidence'][place])})"
    return columns["id"][place], str(columns["label"][place]), said
