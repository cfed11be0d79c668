"""The stage: a warm-up model in, a better one or the same out."""

from pathlib import Path

import numpy as np
import torch

from components.common.artifacts import TRAIN, load_dataset, load_labels
from components.common.cli import Metadata
from components.common.files import write_json
from components.common.loading import Images, load_size
from components.common.models import load_classifier
from components.common.splits import labelled, unlabelled_pool
from components.common.storage import open_store
from components.common.supervised import save_classifier, validation_predictions, validation_set
from components.common.training import precision_name, seeded, set_threads
from components.pseudolabel.settings import PseudolabelSettings
from components.pseudolabel.train import Labelled, train
from components.pseudolabel.verdict import verdict

WATCHED = 5000  # unlabelled images on which both models' predictions are compared
PRIOR_LABELS = 20  # pseudo-count of the uniform prior in the expected class shares


def run(dataset: Path, warm: Path, labels: Path, store: str, seed: int, threads: int, settings: PseudolabelSettings,
        classifier: Path, metrics: Path) -> Metadata:
    """Train on labels and on confident guesses; hand on the warm-up model where that made it worse."""
    set_threads(threads)
    data, place = load_dataset(dataset), open_store(store)
    model, spec, about = load_classifier(warm)
    table, known = load_labels(labels)
    classes: list[str] = about["classes"]
    pool = unlabelled_pool(data)
    held, truth = validation_set(data, labels)
    images = Images(data, place, spec.mode, load_size(spec.image_size), threads)
    trained = Labelled(*labelled(data, table, classes, TRAIN))
    new, history = train(model, spec, images, trained, pool, expected_shares(truth, len(classes)), settings, seed)

    plain = Images(data, place, spec.mode, spec.image_size, threads)
    watched = np.sort(seeded(seed, "watched")[0].permutation(pool)[:WATCHED])
    before, after = (validation_predictions(network, spec, plain, np.concatenate([held, watched])) for network in (model, new))
    n = len(held)
    better, why = verdict(before[:n] == truth, after[:n] == truth, before[n:], after[n:], classes)
    if not settings.steps:
        better, why = False, "pseudolabel.steps is 0; the warm-up model is handed on"
    right = (after if better else before)[:n] == truth
    figures = {"labels": len(trained.rows), "unlabelled": len(pool), "validation_images": n,
               "confident": history[-1]["confident"] if history else 0.0}
    figures |= {"validation_accuracy": float(right.mean()), "warmup_validation_accuracy": float((before[:n] == truth).mean())} if n else {}
    save_classifier(
        classifier, new if better else model, spec, history, stage="pseudolabel", classes=classes, dataset=data.id, labels=known["sha256"],
        settings=settings.model_dump(mode="json"), seed=seed, threads=threads, precision=precision_name(settings.precision),
        validation_accuracy=figures.get("validation_accuracy"), handed_on=not better, why=why,
    )
    write_json(metrics, figures)
    return {"metrics": figures, "classifier": {"stage": "pseudolabel", "handed_on": not better, "why": why}}


def expected_shares(labels: np.ndarray, classes: int) -> torch.Tensor:
    """Share of each class, (classes,), from random labels, drawn towards uniform as far as they are few."""
    counts = np.bincount(labels, minlength=classes) + PRIOR_LABELS / classes
    return torch.from_numpy(counts / counts.sum()).float()
