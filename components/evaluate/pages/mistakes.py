"""What the model gets wrong: which classes it mixes up, which mistakes belong together, and which labels look wrong."""

from html import escape
from typing import Any

import numpy as np
from IPython.display import HTML

from components.common.html import note
from components.evaluate import findings
from components.evaluate.charts import grid
from components.evaluate.charts.tracks import Row, tracks
from components.evaluate.findings import finding
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
    for pair in (facts.about.get("confused") or [])[:PAIRS]:
        label, said = pair["label"], pair["predicted"]
        places = [i for i in facts.wrong if columns["label"][i] == label and columns["predicted"][i] == said][:OF_PAIR]
        shown = [(columns["id"][i], f"{columns['confidence'][i]:.0%}", "sure") for i in places]
        name = f"{label} taken for {said}: {pair['images']:,} {findings.plural('image', pair['images'])}"
        panels.append(f'<div class="panel"><b>{escape(name)}</b>{sheet(facts, shown, SHEET // PAIRS)}</div>')
    return HTML(f'<div class="panels">{"".join(panels)}</div>') if panels else None


def surest(facts: Evaluation, most: int) -> HTML:
    """Pictures of the mistakes that the model was surest of."""
    shown = facts.wrong[:most]
    if not len(shown):
        return HTML(note("No mistake to show."))
    legend = f"The surest {len(shown):,} of {len(facts.wrong):,} mistakes: the true class, then the model's and its confidence."
    return HTML(note(legend) + sheet(facts, [_mistake(facts, i) for i in shown]))


def clusters(facts: Evaluation) -> HTML:
    """Mistakes that lie together in embedding space, a sheet for each cluster."""
    found = facts.about.get("clusters") or []
    if not found:
        return HTML(note("Too few mistakes to cluster."))
    place_of = {image: place for place, image in enumerate(facts.predictions["id"].tolist())}
    panels = []
    for cluster in found:
        shown = [_mistake(facts, place_of[image]) for image in cluster["ids"][:LISTED]]
        name = (
            f"Cluster {cluster['number']}: {cluster['images']:,} {findings.plural('mistake', cluster['images'])} "
            f"({cluster['share']:.0%}), mostly {cluster['label_most']} taken for {cluster['predicted_most']}"
        )
        panels.append(f'<div class="panel"><b>{escape(name)}</b>{sheet(facts, shown, 2 * SHEET // len(found))}</div>')
    return HTML(finding(findings.largest_cluster(found)) + "".join(panels))


def suspects(facts: Evaluation) -> HTML:
    """Labels that look wrong, with their pictures."""
    found = facts.about.get("suspects") or []
    if not found:
        return HTML(note("No label stands out as wrong."))
    shown = [
        (
            each["id"],
            f"{each['label']}?",
            f"looks like {each['suggested']} ({each['confidence']:.0%}), {each['purpose']}",
        )
        for each in found[:LISTED]
    ]
    ids = "\n".join(f"{each['id']}  {each['label']} -> {each['suggested']}  {each['purpose']}" for each in found)
    listed = f'<details><summary>All {len(found):,} as a list</summary><div class="scroll"><pre>{escape(ids)}</pre></div></details>'
    more = f"; the {len(shown)} likeliest are shown" if len(found) > len(shown) else ""
    said = f"{len(found):,} {findings.plural('label', len(found))} {'looks' if len(found) == 1 else 'look'} wrong{more}"
    return HTML(finding(said) + sheet(facts, shown) + listed)


def forgotten(facts: Evaluation) -> HTML:
    """What the champion got right and the final model does not: per class, and as a sheet."""
    lost = facts.about["forgotten"]
    title = finding(findings.forgotten(lost))
    columns = facts.predictions
    right_then = columns["champion_predicted"] == columns["label"]
    places = [i for i in facts.wrong if right_then[i]]
    return HTML(title + forgotten_by_class(facts, lost) + sheet(facts, [_mistake(facts, i) for i in places[:LISTED]]))


def forgotten_by_class(facts: Evaluation, lost: dict[str, Any]) -> str:
    """A bar for each class of which something was forgotten: the share of its images that were right then."""
    lines = sorted(
        (line for line in lost["per_class"] if line["images"]), key=lambda line: -line["images"] / line["of"]
    )
    rows = [
        Row(
            f"{line['class']} ({line['images']:,} of {line['of']:,})",
            f"{line['images'] / line['of']:.1%}",
            [("lost", 100 * line["images"] / line["of"])],
            (0.0, 100 * line["images"] / line["of"]),
            "",
            "other",
        )
        for line in lines[: grid.MOST_CLASSES]
    ]
    if not rows:
        return ""
    highest = float(np.ceil(max(mark for row in rows for _, mark in row.marks) * 1.1))
    return f'<div class="panel">{tracks(rows, 0, max(1.0, highest), " %")}</div>'


def _mistake(facts: Evaluation, place: int) -> tuple[str, str, str]:
    columns = facts.predictions
    said = f"taken for {columns['predicted'][place]} ({columns['confidence'][place]:.0%})"
    return columns["id"][place], str(columns["label"][place]), said
