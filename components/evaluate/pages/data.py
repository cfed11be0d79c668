"""What the models learned from: the version of the dataset, and its labels by source and by round."""

from collections import Counter

from IPython.display import HTML

from components.common.artifacts import SPLITS
from components.common.html import note, table
from components.evaluate.history import PEOPLE
from components.evaluate.pages.facts import Evaluation


def version(facts: Evaluation) -> HTML:
    """The dataset, and how many labels of which source each split has."""
    data = facts.dataset
    counts = data.counts()
    said = (
        f"Dataset {data.name}, version {data.id[:12]}: {sum(counts.values()):,} images of {len(facts.names):,} classes."
    )
    by_source = Counter(zip(*(facts.labels.column(name).to_pylist() for name in ("source", "purpose")), strict=True))
    sources = sorted({source for source, _ in by_source})
    rows = [
        (
            split,
            counts[split],
            *(by_source[source, split] for source in sources),
            _uncovered(counts[split], by_source, split),
        )
        for split in SPLITS
    ]
    header = ["split", "images", *(f"labels: {source}" for source in sources), "without a label"]
    total = ("all", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True)))
    return HTML(note(said) + table(header, rows, total))


def _uncovered(images: int, by_source: Counter[tuple[str, str]], split: str) -> int:
    return images - sum(count for (_, purpose), count in by_source.items() if purpose == split)


def rounds(facts: Evaluation) -> HTML | None:
    """Training labels round after round, with the accuracy that they came to; nothing where they come in none."""
    if "round" not in facts.about:
        return None
    history = facts.about.get("since", {}).get("history") or []
    if not history:
        return HTML(note(f"Labels of round {facts.about['round']}, the first that was evaluated."))
    before = [0, *(point["labels"] for point in history)]
    rows = [
        (
            f"round {point['round']}",
            point["labels"],
            point["labels"] - earlier,
            f"{100 * point['accuracy']:.1f} %" if point["images"] else "–",
        )
        for point, earlier in zip(history, before, strict=False)
    ]
    return HTML(table(["round", "training labels", "of them new", "accuracy"], rows))


def annotators(facts: Evaluation) -> HTML | None:
    """How many labels each person gave; nothing where nobody is named, as with labels that come with the source."""
    given = zip(*(facts.labels.column(name).to_pylist() for name in ("annotator", "source")), strict=True)
    people = Counter(str(name) for name, source in given if name and source in PEOPLE)
    if not people:
        return None
    rows = sorted(people.items(), key=lambda item: (-item[1], item[0]))[:20]
    return HTML(f"<details><summary>Labels by person</summary>{table(['who', 'labels'], rows)}</details>")
