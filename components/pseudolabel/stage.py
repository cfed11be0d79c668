"""Train on labels and pseudo-labels, and keep the warm-up model where that is not better."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.common.artifacts import load_dataset, load_labels
from components.common.cli import Metadata
from components.common.data.classes import check_trained, classes_of
from components.common.data.splits import training_labels, unlabelled_pool
from components.common.files import write_json
from components.common.learning.inference import BATCH, logits
from components.common.learning.loading import Images, load_size
from components.common.learning.models import load_classifier
from components.common.learning.supervised import save_classifier, trained_on, validation_set
from components.common.learning.training import precision_name, set_threads
from components.common.seeding import seeded
from components.common.storage import open_store
from components.common.waiting import pass_on, waiting_in
from components.pseudolabel.checkpoints import Checkpoints
from components.pseudolabel.health import health
from components.pseudolabel.needs import check_memory
from components.pseudolabel.settings import PseudolabelSettings
from components.pseudolabel.train import Labelled, train
from components.pseudolabel.verdict import verdict

WATCHED = 5000  # unlabelled images on which both models' predictions are compared


def run(
    dataset: Path,
    warm: Path,
    labels: Path,
    store: str,
    seed: int,
    threads: int,
    settings: PseudolabelSettings,
    classifier: Path,
    metrics: Path,
) -> Metadata:
    """Train on labels and on confident guesses; hand on the warm-up model where that made it worse."""
    if waiting := waiting_in(labels, warm):
        return pass_on(waiting, store, {"classifier": classifier}, {"metrics": metrics})
    set_threads(threads)
    data = load_dataset(dataset)
    model, spec, about = load_classifier(warm)
    table, known = load_labels(labels)
    classes = classes_of(table, known["classes"])
    check_trained(classes, about, warm)
    pool = unlabelled_pool(data)
    check_memory(data, spec, len(classes.trained), len(pool), settings)
    held, truth = validation_set(data, labels)
    images = Images(data, open_store(store), spec.mode, load_size(spec.image_size), threads)
    trained = Labelled(*training_labels(data, table, classes.trained))
    plain = Images(data, open_store(store), spec.mode, spec.image_size, threads)
    compared = np.concatenate([held, np.sort(seeded(seed, "watched")[0].permutation(pool)[:WATCHED])])
    n = len(held)
    scores = logits(model, spec, plain, compared, BATCH)
    kept = Checkpoints(settings.steps, settings.checkpoints)
    new, history = train(model, spec, images, trained, pool, class_shares(scores[n:]), settings, seed, kept)

    new_scores = logits(new, spec, plain, compared, BATCH)
    before, after = scores.argmax(axis=1), new_scores.argmax(axis=1)
    right, new_right = (classes.columns[said[:n]] == truth for said in (before, after))  # wrong of an unknown class
    better, why = verdict(right, new_right, before[n:], after[n:], classes.trained)
    if not settings.steps:
        better, why = False, "pseudolabel.steps is 0; the warm-up model is handed on"
    figures = {**trained_on(known), "unlabelled": len(pool), "validation_images": n, "confident": confident(history)}
    figures |= validated(right, new_right if better else right)
    save_classifier(
        classifier,
        new if better else model,
        spec,
        history,
        data,
        labels,
        stage="pseudolabel",
        checkpoints=kept.weights if better else {},  # of a model that is handed on: others would be another's opinion
        classes=classes.trained,
        unlabelled_classes=classes.missing,
        settings=settings.model_dump(mode="json"),
        seed=seed,
        threads=threads,
        precision=precision_name(settings.precision),
        validation_accuracy=figures.get("validation_accuracy"),
        handed_on=not better,
        why=why,
        health=health(scores[n:], new_scores[n:], trained.classes, settings.threshold, classes.trained),
    )
    write_json(metrics, figures)
    return {"metrics": figures, "classifier": {"stage": "pseudolabel", "handed_on": not better, "why": why}}


def confident(history: list[dict[str, Any]]) -> float:
    """Share of the guesses that were confident enough to teach, in the last step."""
    return history[-1]["confident"] if history else 0.0


def validated(warm_right: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """Accuracy on the validation images of the model that is handed on and of the warm-up model; empty without one.

    right, warm_right: whether each was right, boolean (images,).
    """
    if not len(right):
        return {}
    return {"validation_accuracy": float(right.mean()), "warmup_validation_accuracy": float(warm_right.mean())}


def class_shares(scores: np.ndarray) -> torch.Tensor:
    """Share of each class, (classes,), as the warm-up model finds them: mean of its probabilities over logits (n,
    classes).
    """
    return torch.from_numpy(scores).softmax(dim=1).mean(dim=0)
