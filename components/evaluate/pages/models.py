"""How the models came about: whether pseudo-labels were sound, what a second opinion says, and where all comes from."""

import json
from html import escape
from typing import Any

from IPython.display import HTML

from components.common import words
from components.common.charts.tracks import Row, tracks
from components.common.html import figures, note, table
from components.common.parquet import read_table
from components.common.words import finding, share, whole
from components.evaluate import findings
from components.evaluate.charts import curves
from components.evaluate.pages.facts import Evaluation
from components.evaluate.pages.pictures import sheet

MOST_CLASSES = 20  # rows of a chart
LISTED = 24  # pictures of a sheet


def provenance(facts: Evaluation) -> HTML:
    """Digests and settings that this evaluation follows from."""
    rows = [
        (part, name, value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False))
        for part, values in facts.about["provenance"].items()
        for name, value in values.items()
    ]
    return HTML(f'<div class="digest">{table(["of", "what", "value"], rows)}</div>')


def pseudolabels(facts: Evaluation) -> HTML:
    """How sure the guesses became while they taught, and the classes of the answers beside those of the labels."""
    about = facts.about["pseudolabels"]
    shown: list[tuple[str, object]] = [
        ("of the guesses were sure enough to teach, at the end", share(about["mask_rate"]))
    ]
    if about.get("agreement") is not None:
        shown.append(
            (f"of {about['images']:,} unlabelled images: the answer is the warm-up model's", share(about["agreement"]))
        )
        shown.append(
            ("evenness of the classes it answers; 0: always the same, 1: all alike", f"{about['entropy']:.2f}")
        )
    panels = [
        _panel("Sure enough to teach", _taught(about["curve"])),
        *([_histogram(about["classes"])] if about.get("classes") else []),
    ]
    return HTML(
        finding(findings.pseudolabels(about))
        + note(words.sentence(about["why"]))
        + figures(shown)
        + f'<div class="panels wide">{"".join(panels)}</div>'
    )


def _taught(curve: list[dict[str, Any]]) -> str:
    points = [(float(point["step"]), 100 * point["confident"]) for point in curve]
    return curves.health("Share of the guesses that were sure enough to teach", points, "step", "of the guesses, %")


def _histogram(lines: list[dict[str, Any]]) -> str:
    """Share of each class among the answers and among the labels; of many classes, where these differ most."""
    kept = sorted(lines, key=lambda line: -abs(line["predicted"] - line["labels"]))[:MOST_CLASSES]
    rows = [
        Row(
            line["class"],
            share(line["predicted"]),
            [("precision", 100 * line["labels"]), ("final", 100 * line["predicted"])],
            (100 * min(line["predicted"], line["labels"]), 100 * max(line["predicted"], line["labels"])),
        )
        for line in lines
        if line in kept
    ]
    highest = max(max(line["predicted"], line["labels"]) for line in kept)
    legend = [("final", "of the answers"), ("precision", "of the training labels")]
    return _panel("Classes", tracks(rows, 0, min(100.0, 110 * highest), " %", legend))


def _panel(title: str, content: str) -> str:
    return f'<div class="panel"><b>{escape(title)}</b>{content}</div>'


def second_opinion(facts: Evaluation) -> HTML:
    """Where an ensemble with many views disagrees with the final model, and how right it is itself."""
    about = facts.about["precise"]
    shown: list[tuple[str, object]] = []
    if about["agreement"] is not None:
        shown.append((f"agreement on {about['images']:,} images without a label", share(about["agreement"])))
        shown.append(("of them: the ensemble surely says another class", about["disagree"]))
    if about["accuracy"] is not None:
        reach = f"95 % interval {100 * about['low']:.1f} to {100 * about['high']:.1f}"
        shown.append((f"accuracy of the ensemble; {reach}", share(about["accuracy"])))
        shown.append(
            (f"of the final model on the same {about['test_images']:,} images", share(about["accuracy_alone"]))
        )
    asked = f"{about['models']:,} {words.plural('model', about['models'])}, {about['views']:,} views of each image"
    return HTML(note(f"{asked}: {about['why']}.") + figures(shown) + disagreements(facts))


def disagreements(facts: Evaluation) -> str:
    """Pictures of unlabelled images on which the ensemble surely says another class, the surest first."""
    path = facts.folder / "opinion.parquet"
    rows = read_table(path).to_pylist() if path.is_file() else []
    surely = [row for row in rows if row["disagrees"]][:LISTED]
    return sheet(
        facts,
        [(row["id"], row["opinion"], f"not {row['predicted']} ({whole(row['opinion_confidence'])})") for row in surely],
    )
