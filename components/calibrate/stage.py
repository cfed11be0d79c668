"""Fit one temperature on the calibration split, or keep 1 and say why; then the thresholds that keep a promise."""

from pathlib import Path

import numpy as np

from components.calibrate.settings import CalibrateSettings
from components.calibrate.temperature import choose_temperature
from components.calibrate.thresholds import thresholds
from components.common.artifacts import CALIBRATION, Dataset, load_dataset, load_labels
from components.common.cli import Metadata
from components.common.data.classes import Classes, check_trained, classes_of
from components.common.data.splits import labelled
from components.common.files import new_folder, sha256_file, write_json
from components.common.learning.footprint import check_inference
from components.common.learning.inference import logits as infer
from components.common.learning.loading import Images
from components.common.learning.models import load_classifier
from components.common.learning.training import set_threads
from components.common.metrics import brier, ece, nll, softmax
from components.common.storage import open_store
from components.common.waiting import pass_on, waiting_in


def run(
    dataset: Path,
    classifier: Path,
    labels: Path,
    store: str,
    threads: int,
    settings: CalibrateSettings,
    calibration: Path,
    metrics: Path,
) -> Metadata:
    """Fit a temperature on held-out labels, so that a confidence of 0.9 is right nine times in ten.

    It is fitted on images of classes that the model knows: others have no likelihood. The figures before and after are
    of all, as `figures` defines them.
    """
    if waiting := waiting_in(labels, classifier):
        return pass_on(waiting, store, {"calibration": calibration}, {"metrics": metrics})
    set_threads(threads)
    data = load_dataset(dataset)
    table, labels_about = load_labels(labels)
    classes = classes_of(table, labels_about["classes"])
    rows, true = labelled(data, table, classes.names, CALIBRATION)
    logits = _logits(classifier, classes, data, rows, store, settings.batch_size)
    known = np.isin(true, classes.columns)
    choice = choose_temperature(logits[known], np.searchsorted(classes.columns, true[known]))
    if not known.all():
        left_out = f"{np.sum(~known)} images of classes without a training label are left out of the fit"
        choice = choice._replace(why=f"{choice.why}; {left_out}")
    before, after = (
        figures(classes.spread(logits), true, known, temperature, settings.bins)
        for temperature in (1.0, choice.temperature)
    )
    probabilities = softmax(classes.spread(logits), choice.temperature)
    promised = thresholds(probabilities, true, settings.precision, settings.coverage)
    print(choice.why, *(each["why"] for each in promised.values()), sep="\n", flush=True)
    with new_folder(calibration) as folder:
        write_json(
            folder / "calibration.json",
            {
                "format": 1,
                **choice._asdict(),
                "images": len(rows),
                "unlabelled_class_images": int(np.sum(~known)),
                "bins": settings.bins,
                "before": before,
                "after": after,
                "thresholds": promised,
                "classifier": sha256_file(classifier / "classifier.safetensors"),
                **data.reference(),
                "labels": labels_about["sha256"],
            },
        )
    shown = {"temperature": choice.temperature, "images": len(rows)}
    shown |= {
        f"{name}_{when}": value
        for when, part in (("before", before), ("after", after))
        for name, value in (part or {}).items()
    }
    write_json(metrics, shown)
    return {"metrics": shown}


def _logits(folder: Path, classes: Classes, data: Dataset, rows: np.ndarray, store: str, batch_size: int) -> np.ndarray:
    """Logits of the rows by the classifier that learned from these labels, (rows, trained classes)."""
    model, spec, about = load_classifier(folder)
    check_trained(classes, about, folder)
    if not len(rows):
        return np.empty((0, len(classes.trained)), dtype=np.float32)
    check_inference("calibrate", spec, min(batch_size, len(rows)), "batch_size")
    return infer(model, spec, Images(data, open_store(store), spec.mode, spec.image_size), rows, batch_size)


def figures(
    logits: np.ndarray, true: np.ndarray, known: np.ndarray, temperature: float, bins: int
) -> dict[str, float] | None:
    """ECE, NLL and Brier score at a temperature; None without labels.

    known: boolean, the images of classes that the model can predict. The others count as wrong in ECE and Brier score;
    their NLL would be infinite, so NLL is the mean over the known ones, and left out where there is none.
    """
    if not len(true):
        return None
    probabilities = softmax(logits, temperature)
    measured = {"ece": ece(probabilities, true, bins), "brier": brier(probabilities, true)}
    return measured | ({"nll": nll(probabilities[known], true[known])} if known.any() else {})
