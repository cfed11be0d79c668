"""Measure the warm-up and the final model on the test labels, judge the gates, and write the report."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.common import metrics as m
from components.common import rounds
from components.common.artifacts import TEST, Dataset, load_dataset, load_labels, save_table
from components.common.cli import Metadata
from components.common.data.classes import Classes, check_trained, classes_of
from components.common.data.splits import labelled
from components.common.errors import BadInputError
from components.common.files import json_text, new_file, new_folder, read_json, sha256_file, write_json
from components.common.learning.footprint import check_inference
from components.common.learning.inference import logits as infer
from components.common.learning.loading import Images
from components.common.learning.models import load_classifier
from components.common.learning.training import set_threads
from components.common.storage import Store, open_store
from components.common.waiting import pass_on, waiting_in
from components.evaluate import findings, history
from components.evaluate.gates import judge
from components.evaluate.notebook import write_report
from components.evaluate.settings import EvaluateSettings

PREDICTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.string()),  # the test label
        ("predicted", pa.string()),
        ("confidence", pa.float64()),  # after the temperature
        ("raw_confidence", pa.float64()),  # before it
        ("warmup_predicted", pa.string()),
        ("warmup_confidence", pa.float64()),
    ]
)


def run(
    dataset: Path,
    embeddings: Path,
    labels: Path,
    warm: Path,
    classifier: Path,
    calibration: Path,
    store: str,
    seed: int,
    threads: int,
    settings: EvaluateSettings,
    evaluation: Path,
    report: Path,
    metrics: Path,
    confusion: Path,
) -> Metadata:
    """Measure on the test split: a report to read and gates for the release.

    Images of classes without a training label count as wrong, for the model cannot predict them.
    """
    if waiting := waiting_in(labels, classifier, calibration):
        shown = {"metrics": metrics, "confusion": confusion}
        return pass_on(waiting, store, {"evaluation": evaluation}, shown, {"report": report})
    set_threads(threads)
    data = load_dataset(dataset)
    table, labels_about = load_labels(labels)
    fitted = _calibration(calibration, classifier)
    classes = classes_of(table, labels_about["classes"])
    names = classes.names
    rows, true = labelled(data, table, names, TEST)
    logits, warm_logits = (
        _logits(folder, classes, data, rows, store, settings.batch_size) for folder in (classifier, warm)
    )
    known = np.isin(true, classes.columns)
    figures = measure(logits, warm_logits, true, known, fitted["temperature"], settings.bins)
    gates = judge(settings.gates, figures)
    matrix = m.confusion_matrix(true, logits.argmax(axis=1), len(names))
    about = {
        "format": 1,
        **figures,
        "temperature": fitted["temperature"],
        "bins": settings.bins,
        "classes": names,
        "unlabelled_classes": classes.missing,
        "confusion": matrix.tolist(),
        "per_class": _per_class(names, matrix),
        "provenance": provenance(data, labels_about, warm, classifier, fitted, seed, threads, settings),
    }
    about |= history.of_labels(labels, labels_about)
    about |= compared(about, table, labels_about, open_store(store), settings.since)
    with new_folder(evaluation) as folder:
        write_json(folder / "metrics.json", about)
        write_json(folder / "gate.json", {"format": 1, "passed": all(gate["passed"] for gate in gates), "gates": gates})
        answers = predictions(data, rows, true, names, logits, warm_logits, fitted["temperature"])
        save_table(folder / "predictions.parquet", answers, PREDICTIONS)
        write_report(
            folder,
            {"dataset": dataset, "embeddings": embeddings, "labels": labels, "evaluation": folder},
            store,
            {"seed": seed, "threads": threads, "map_points": settings.map_points, "mistakes": settings.mistakes},
        )
    with new_file(report) as page:
        shutil.copyfile(evaluation / "report.html", page)
    write_json(metrics, figures)
    write_json(confusion, shown_matrix(names, matrix))
    verdict = {"gates": json_text(gates), **state(classes, about)}
    return {"metrics": figures, "confusion": shown_matrix(names, matrix), "evaluation": verdict}


def state(classes: Classes, about: dict[str, Any]) -> dict[str, str]:
    """What classes without a training label cost, and what changed since the round before, for the log and Kubeflow's
    UI; each where there is something to say. about: metrics.json.
    """
    told = {}
    if classes.missing:
        told["unlabelled_classes"] = findings.cost(classes, about)
        print(f"classes without a training label: {told['unlabelled_classes']}", flush=True)
    if "since" in about:
        told["since"] = f"round {about['since']['round']}: {history.told(about['since'])}"
        print(f"since {told['since']}", flush=True)
    return told


def compared(
    about: dict[str, Any], labels: pa.Table, labels_about: dict[str, Any], store: Store, since: str
) -> dict[str, Any]:
    """Keep the record of this round in the store, and say what changed since the one at key `since`; empty where the
    labels do not come in rounds.
    """
    if not history.in_rounds(labels, labels_about):
        return {}
    before = rounds.load(store, since) if since else None
    record = history.record_of(about, labels, labels_about, store, before)
    rounds.save(store, about["provenance"]["dataset"]["name"], record)
    changes = {"since": history.changes(before, record, since)} if before else {}
    return {"round": record["round"], **changes}


def shown_matrix(names: list[str], matrix: np.ndarray) -> dict[str, Any]:
    """A confusion matrix as kfp's ClassificationMetrics.log_confusion_matrix has it."""
    rows = [{"row": row} for row in matrix.tolist()]
    return {"confusionMatrix": {"annotationSpecs": [{"displayName": name} for name in names], "rows": rows}}


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


def predictions(
    data: Dataset,
    rows: np.ndarray,
    true: np.ndarray,
    names: list[str],
    logits: np.ndarray,
    warm_logits: np.ndarray,
    temperature: float,
) -> pa.Table:
    """One row per test label, in the order of the index."""
    called = np.array(names, dtype=object)
    return pa.table(
        {
            "id": data.column("id")[rows],
            "label": called[true],
            "predicted": called[logits.argmax(axis=1)],
            "confidence": m.softmax(logits, temperature).max(axis=1),
            "raw_confidence": m.softmax(logits).max(axis=1),
            "warmup_predicted": called[warm_logits.argmax(axis=1)],
            "warmup_confidence": m.softmax(warm_logits).max(axis=1),
        }
    )


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
        "evaluate": {"settings": settings.model_dump(), "seed": seed, "threads": threads},
    }


def _logits(folder: Path, classes: Classes, data: Dataset, rows: np.ndarray, store: str, batch_size: int) -> np.ndarray:
    """Logits of the rows with a column for every class, (rows, names)."""
    model, spec, about = load_classifier(folder)
    check_trained(classes, about, folder)
    if not len(rows):
        return np.empty((0, len(classes.names)), dtype=np.float32)
    check_inference("evaluate", spec, min(batch_size, len(rows)), "batch_size")
    images = Images(data, open_store(store), spec.mode, spec.image_size)
    return classes.spread(infer(model, spec, images, rows, batch_size))


def _calibration(folder: Path, classifier: Path) -> dict[str, Any]:
    """calibration.json, where it was fitted for this very classifier."""
    path = folder / "calibration.json"
    if not path.is_file():
        raise BadInputError(f"{folder}: holds no calibration.json; expected the output of calibrate")
    fitted = read_json(path)
    if fitted["classifier"] != sha256_file(classifier / "classifier.safetensors"):
        raise BadInputError(f"{path}: fitted for another classifier; run calibrate on this one")
    return fitted


def _per_class(names: list[str], matrix: np.ndarray) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support by class; null where a figure has no meaning."""
    columns = [[None if value != value else value for value in column.tolist()] for column in m.per_class(matrix)]
    return [dict(zip(("class", *m.PerClass._fields), row, strict=True)) for row in zip(names, *columns, strict=True)]
