"""The figures of the final and the warm-up model on the test split, and the tables that go with them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from components.common import metrics as m
from components.common.artifacts import Dataset, read_about
from components.common.files import read_json, sha256_file
from components.evaluate.measures.slices import Compared
from components.evaluate.settings import EvaluateSettings

SHOWN = (
    "images",
    "unlabelled_class_images",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "macro_f1",
    "warmup_accuracy",
    "warmup_accuracy_low",
    "warmup_accuracy_high",
    "mistakes_mended",
    "mistakes_made",
    "ece_before",
    "ece_after",
    "brier",
    "nll",
)
"""What Kubeflow's UI shows, where it was measured."""


def measure(
    logits: np.ndarray, warm_logits: np.ndarray, true: np.ndarray, known: np.ndarray, temperature: float, bins: int
) -> dict[str, Any]:
    """The figures of the test split, by name; without test labels only `images`, which is 0.

    logits (images, classes) of the final and of the warm-up model, true (images,) class indices, known (images,)
    boolean: of a class that the models can predict. The others are wrong answers in every figure but `nll`: theirs
    would be infinite, so it is the mean over the known images, and left out where there is none.
    """
    n = len(true)
    if n == 0:
        return {"images": 0}
    right = logits.argmax(axis=1) == true
    warm_right = warm_logits.argmax(axis=1) == true
    low, high = m.wilson_interval(int(right.sum()), n)
    warm_low, warm_high = m.wilson_interval(int(warm_right.sum()), n)
    before = m.softmax(logits)
    after = m.softmax(logits, temperature)
    f1 = m.per_class(m.confusion_matrix(true, logits.argmax(axis=1), logits.shape[1])).f1
    return {
        "images": n,
        "unlabelled_class_images": int(np.sum(~known)),
        "accuracy": float(right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": float(np.nanmean(f1)),
        "warmup_accuracy": float(warm_right.mean()),
        "warmup_accuracy_low": warm_low,
        "warmup_accuracy_high": warm_high,
        "mistakes_mended": int(np.sum(right & ~warm_right)),
        "mistakes_made": int(np.sum(~right & warm_right)),
        "ece_before": m.ece(before, true, bins),
        "ece_after": m.ece(after, true, bins),
        "brier": m.brier(after, true),
        **({"nll": m.nll(after[known], true[known])} if known.any() else {}),
    }


def per_class(
    names: list[str], matrix: np.ndarray, labels: np.ndarray, champion: Compared | None, small: int
) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support by class, the champion's recall where it is compared, and whether the images
    are too few to say much; null where a figure has no meaning.

    labels: names of the true classes, (images,).
    """
    columns = [[None if value != value else value for value in column.tolist()] for column in m.per_class(matrix)]
    lines = []
    for row in zip(names, *columns, strict=True):
        line = dict(zip(("class", *m.PerClass._fields), row, strict=True))
        where = (labels == line["class"]) & champion.where if champion else np.zeros(0, bool)
        recall = float(champion.right[where].mean()) if champion and where.any() else None
        lines.append({**line, "champion_recall": recall, "small": line["support"] < small})
    return lines


def pseudolabels(classifier: Path) -> dict[str, Any] | None:
    """How training on pseudo-labels went: the share of confident guesses step by step, what the model says of
    unlabelled images (`components.pseudolabel.health`), and whether it was kept. None where there was no such training.
    """
    about = read_about(classifier, "classifier.json", writer="pseudolabel")
    path = classifier / "history.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    curve = [line for line in map(json.loads, lines) if "confident" in line]
    if about["stage"] != "pseudolabel" or not curve:
        return None
    health = about.get("health") or {}
    return {
        **health,
        "mask_rate": curve[-1]["confident"],
        "curve": curve,
        "handed_on": about["handed_on"],
        "why": about["why"],
    }


def plain(about: dict[str, Any]) -> dict[str, float]:
    """The figures of metrics.json that Kubeflow's UI shows, by name; a run with a champion has its difference too."""
    shown = {name: about[name] for name in SHOWN if name in about}
    champion = about["against"]["champion"]
    if champion and champion["difference"] is not None:
        shown |= {"champion_accuracy": champion["accuracy_there"], "champion_difference": champion["difference"]}
    if about["forgotten"]:
        shown["forgotten"] = about["forgotten"]["images"]
    return shown


def shown_matrix(names: list[str], matrix: np.ndarray) -> dict[str, Any]:
    """A confusion matrix as kfp's ClassificationMetrics.log_confusion_matrix has it."""
    rows = [{"row": row} for row in matrix.tolist()]
    return {"confusionMatrix": {"annotationSpecs": [{"displayName": name} for name in names], "rows": rows}}


def provenance(
    data: Dataset,
    labels: dict[str, Any],
    warm: Path,
    classifier: Path,
    fitted: dict[str, Any],
    seed: int,
    threads: int,
    settings: EvaluateSettings,
) -> dict[str, Any]:
    """What was measured, by digest, and with which settings."""
    about = read_json(classifier / "classifier.json")
    return {
        "dataset": {"name": data.name, "id": data.id, "counts": data.counts()},
        "labels": {key: labels[key] for key in ("sha256", "counts", "propagated") if key in labels},
        "warmup": {"sha256": sha256_file(warm / "classifier.safetensors")},
        "classifier": {
            "sha256": sha256_file(classifier / "classifier.safetensors"),
            **{key: about[key] for key in ("model", "stage", "handed_on", "why", "settings", "seed", "threads")},
        },
        "calibration": {key: fitted[key] for key in ("temperature", "helped", "why", "images")},
        "evaluate": {"settings": settings.model_dump(exclude={"champion"}), "seed": seed, "threads": threads},
    }
