"""What the cells of report.ipynb call: load the evaluation, and show one part of it each."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from IPython.display import HTML, Image
from matplotlib.figure import Figure

from components.common.artifacts import PROPAGATED, TRAIN, Dataset, load_dataset, load_embeddings, load_labels
from components.common.data.images import decode, png
from components.common.data.reader import ShardReader
from components.common.files import read_json
from components.common.html import figures, note, table, thumbnails
from components.common.metrics import Bins, PerClass, per_class, reliability
from components.common.parquet import read_table
from components.common.storage import open_store
from components.evaluate import findings, plots
from components.evaluate.gates import UNMEASURED

PIXELS = 115  # per inch of a figure, as shown; drawn twice as fine
THUMBNAIL = 192  # pixels
MAX_PIXELS = 1_000_000_000  # ingest has refused what is too large


@dataclass(frozen=True)
class Evaluation:
    """All that the report shows; `about` is metrics.json."""

    about: dict[str, Any]
    gates: dict[str, Any]
    predictions: dict[str, np.ndarray]
    dataset: Dataset
    label: np.ndarray  # class index per image of the dataset, -1 without a label
    picked: np.ndarray  # whether the image is labelled for training
    embeddings: np.ndarray
    store: str

    @property
    def names(self) -> list[str]:
        return self.about["classes"]

    @cached_property
    def matrix(self) -> np.ndarray:
        return np.array(self.about["confusion"], dtype=np.int64)

    @cached_property
    def per_class(self) -> PerClass:
        return per_class(self.matrix)


def load(dataset: str, embeddings: str, labels: str, evaluation: str, store: str) -> Evaluation:
    """Read the artifacts; all arguments but `store` are folders."""
    data = load_dataset(Path(dataset))
    entries, labels_about = load_labels(Path(labels))
    row_of = {image: row for row, image in enumerate(data.column("id"))}
    class_of = {name: index for index, name in enumerate(labels_about["classes"])}
    label = np.full(len(row_of), -1)
    picked = np.zeros(len(row_of), dtype=bool)
    for entry in entries.select(["id", "label", "purpose", "source"]).to_pylist():
        if entry["source"] == PROPAGATED:  # nobody said so
            continue
        row = row_of[entry["id"]]
        label[row] = class_of[entry["label"]]
        picked[row] = entry["purpose"] == TRAIN
    folder = Path(evaluation)
    predictions = read_table(folder / "predictions.parquet")
    columns = {name: predictions.column(name).to_numpy(zero_copy_only=False) for name in predictions.column_names}
    return Evaluation(
        read_json(folder / "metrics.json"),
        read_json(folder / "gate.json"),
        columns,
        data,
        label,
        picked,
        load_embeddings(Path(embeddings), data),
        store,
    )


def picture(figure: Figure) -> Image:
    """A figure as a PNG of twice the shown resolution, without a date or version in it."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=2 * PIXELS, metadata={"Software": None})
    return Image(buffer.getvalue(), format="png", width=int(PIXELS * figure.get_figwidth()), alt=figure.get_suptitle())


def measured(show: Callable[[Evaluation], Any]) -> Callable[[Evaluation], Any]:
    """Without test labels, a part that shows figures says so instead."""

    @wraps(show)
    def instead(facts: Evaluation) -> Any:
        return show(facts) if facts.about["images"] else HTML(note(f"Nothing to show: {UNMEASURED}."))

    return instead


def result(facts: Evaluation) -> HTML:
    """The headline figures."""
    about = facts.about
    gates = facts.gates["gates"]
    passed = ("gates passed", f"{sum(gate['passed'] for gate in gates)} of {len(gates)}")
    if not about["images"]:
        return HTML(note(findings.headline(about)) + figures([passed]))
    change = 100 * (about["accuracy"] - about["warmup_accuracy"])
    interval = f"accuracy; 95 % interval {100 * about['accuracy_low']:.1f} to {100 * about['accuracy_high']:.1f}"
    return HTML(
        figures(
            [
                (interval, findings.share(about["accuracy"])),
                ("points over warm-up", f"{change:+.1f}"),
                ("mean F1 of the classes", findings.share(about["macro_f1"])),
                ("calibration error", findings.share(about["ece_after"])),
                ("test images", about["images"]),
                passed,
            ]
        )
        + unlabelled(facts)
    )


def unlabelled(facts: Evaluation) -> str:
    """Classes without a training label, and what they cost: a sentence and a table; nothing where there are none."""
    names = facts.about["unlabelled_classes"]
    if not names:
        return ""
    images = dict(zip(facts.names, facts.per_class.support.tolist(), strict=True))
    rows = [(name, images[name]) for name in names]
    total = ("all", sum(images[name] for name in names))
    return note(findings.unlabelled(facts.about)) + table(
        ["class without a training label", "test images"], rows, total
    )


def gates(facts: Evaluation) -> HTML:
    """Each gate with its figure and verdict."""
    rows = [
        ("✓ passed" if gate["passed"] else "✗ failed", gate["rule"], gate["shown"], gate["why"])
        for gate in facts.gates["gates"]
    ]
    if not rows:
        return HTML(note("No gate is set (evaluate.gates)."))
    return HTML(f'<div class="verdicts">{table(["", "gate", "figure", "why"], rows)}</div>')


@measured
def accuracy(facts: Evaluation) -> Image:
    """The warm-up model against the final one."""
    about = facts.about
    models = (("warm-up", "warmup_accuracy"), ("final", "accuracy"))
    rows = [(name, about[key], about[f"{key}_low"], about[f"{key}_high"]) for name, key in models]
    return picture(plots.accuracy(findings.comparison(about), rows))


@measured
def changes(facts: Evaluation) -> HTML:
    """How many answers changed between the two models."""
    mended = facts.about["mistakes_mended"]
    made = facts.about["mistakes_made"]
    return HTML(
        note(f"Of the warm-up model's answers, the final model mended {mended:,} mistakes and made {made:,} new ones.")
    )


@measured
def classes(facts: Evaluation) -> Image:
    """Precision, recall and F1 of each class."""
    return picture(plots.classes(findings.weakest(facts.names, facts.per_class.f1), facts.names, facts.per_class))


@measured
def class_table(facts: Evaluation) -> HTML:
    """The same as numbers."""
    rows = [
        (name, *(plots.percent(value) for value in values), support)
        for name, *values, support in zip(facts.names, *(column.tolist() for column in facts.per_class), strict=True)
    ]
    return HTML(table(["class", "precision", "recall", "F1", "test images"], rows))


@measured
def confusion(facts: Evaluation) -> Image:
    """Which classes are taken for which."""
    return picture(plots.confusion(findings.most_mistaken(facts.names, facts.matrix), facts.names, facts.matrix))


@measured
def calibration(facts: Evaluation) -> Image:
    """Accuracy against confidence, before and after the temperature."""
    about = facts.about
    columns = facts.predictions
    right = columns["label"] == columns["predicted"]

    def panel(name: str, column: str, error: float) -> tuple[str, Bins]:
        return f"{name}: calibration error {findings.share(error)}", reliability(columns[column], right, about["bins"])

    applied = about["temperature"] != 1
    panels = [panel("Before, T = 1" if applied else "T = 1", "raw_confidence", about["ece_before"])]
    if applied:
        panels.append(panel(f"After, T = {about['temperature']:.2f}", "confidence", about["ece_after"]))
    return picture(plots.reliability(findings.calibration(about), panels))


def embedding_map(facts: Evaluation, points: int, seed: int, threads: int) -> Image | HTML:
    """The encoder's embeddings in two dimensions by t-SNE: every training pick, then labelled images, then others,
    `points` in all.
    """
    order = np.random.default_rng(seed).permutation(len(facts.label))
    chosen = np.sort(order[np.lexsort((facts.label[order] < 0, ~facts.picked[order]))][:points])
    if len(chosen) < 10:
        return HTML(note(f"No map: it needs ten images, and evaluate.map_points asks for {points}."))
    from openTSNE import TSNE

    layout = TSNE(
        perplexity=min(30, (len(chosen) - 1) / 3), neighbors="exact", metric="cosine", random_state=seed, n_jobs=threads
    )
    label = facts.label[chosen]
    title = (
        f"Images that the encoder holds alike lie together: {np.sum(label >= 0):,} of {len(chosen):,} shown have a "
        ""
        ""
        ""
        ""
        ""
        "label"
    )
    place = np.asarray(layout.fit(facts.embeddings[chosen].astype(np.float64)))
    return picture(plots.embedding_map(title, place, facts.names, label, facts.picked[chosen]))


def mistakes(facts: Evaluation, most: int) -> HTML:
    """Pictures of the mistakes that the model was surest of."""
    columns = facts.predictions
    wrong = np.flatnonzero(columns["label"] != columns["predicted"])
    worst = wrong[np.argsort(-columns["confidence"][wrong], kind="stable")][:most]
    if not len(worst):
        return HTML(note("No mistake to show."))
    row_of = {image: row for row, image in enumerate(facts.dataset.column("id"))}
    reader = ShardReader(facts.dataset, open_store(facts.store))
    shown = [
        (
            _thumbnail(reader.image_bytes(row_of[columns["id"][i]]), facts.dataset.mode),
            f"{columns['label'][i]}, taken for {columns['predicted'][i]} ({columns['confidence'][i]:.0%})",
        )
        for i in worst
    ]
    legend = (
        f"The surest {len(shown):,} of {len(wrong):,} mistakes: the true class, then the model's and its confidence."
    )
    return HTML(note(legend) + thumbnails(shown))


def _thumbnail(data: bytes, mode: str) -> bytes:
    image = decode(data, mode, MAX_PIXELS)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return png(image)


def provenance(facts: Evaluation) -> HTML:
    """Digests and settings that this evaluation follows from."""
    rows = [
        (part, name, value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False))
        for part, values in facts.about["provenance"].items()
        for name, value in values.items()
    ]
    return HTML(f'<div class="verdicts">{table(["of", "what", "value"], rows)}</div>')
