"""Fit one temperature on the calibration split, or keep 1 and say why."""

from pathlib import Path

import numpy as np

from components.calibrate.settings import CalibrateSettings
from components.calibrate.temperature import choose_temperature
from components.common.artifacts import CALIBRATION, load_dataset, load_labels
from components.common.cli import Metadata
from components.common.data.splits import labelled
from components.common.files import new_folder, sha256_file, write_json
from components.common.learning.inference import logits as infer
from components.common.learning.loading import Images
from components.common.learning.models import load_classifier
from components.common.learning.training import set_threads
from components.common.metrics import brier, ece, nll, softmax
from components.common.storage import open_store


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
    """Fit a temperature on held-out labels, so that a confidence of 0.9 is right nine times in ten."""
    set_threads(threads)
    data = load_dataset(dataset)
    model, spec, about = load_classifier(classifier)
    table, labels_about = load_labels(labels)
    rows, true = labelled(data, table, about["classes"], CALIBRATION)
    logits = np.empty((0, len(about["classes"])), dtype=np.float32)
    if len(rows):
        logits = infer(
            model, spec, Images(data, open_store(store), spec.mode, spec.image_size), rows, settings.batch_size
        )
    choice = choose_temperature(logits, true)
    before, after = (figures(logits, true, temperature, settings.bins) for temperature in (1.0, choice.temperature))
    print(choice.why, flush=True)
    with new_folder(calibration) as folder:
        write_json(
            folder / "calibration.json",
            {
                "format": 1,
                **choice._asdict(),
                "images": len(rows),
                "bins": settings.bins,
                "before": before,
                "after": after,
                "classifier": sha256_file(classifier / "classifier.safetensors"),
                "dataset": data.id,
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


def figures(logits: np.ndarray, true: np.ndarray, temperature: float, bins: int) -> dict[str, float] | None:
    """ECE, NLL and Brier score at a temperature; None without labels."""
    if not len(true):
        return None
    probabilities = softmax(logits, temperature)
    return {"ece": ece(probabilities, true, bins), "nll": nll(probabilities, true), "brier": brier(probabilities, true)}
