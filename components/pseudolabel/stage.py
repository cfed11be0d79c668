"""The stage: a warm-up model in, a better one or the same out."""

from pathlib import Path

import numpy as np
import torch

from components.common.artifacts import TRAIN, load_dataset, load_labels
from components.common.cli import Metadata
from components.common.data.splits import labelled, unlabelled_pool
from components.common.files import write_json
from components.common.learning.inference import logits
from components.common.learning.loading import Images, load_size
from components.common.learning.models import load_classifier
from components.common.learning.supervised import save_classifier, validation_set
from components.common.learning.training import precision_name, set_threads
from components.common.seeding import seeded
from components.common.storage import open_store
from components.pseudolabel.settings import PseudolabelSettings
from components.pseudolabel.train import Labelled, train
from components.pseudolabel.verdict import verdict

WATCHED = 5000  # unlabelled images on which both models' predictions are compared
BATCH = 256  # images per forward pass


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
    set_threads(threads)
    data = load_dataset(dataset)
    model, spec, about = load_classifier(warm)
    table, known = load_labels(labels)
    classes: list[str] = about["classes"]
    pool = unlabelled_pool(data)
    held, truth = validation_set(data, labels)
    images = Images(data, open_store(store), spec.mode, load_size(spec.image_size), threads)
    trained = Labelled(*labelled(data, table, classes, TRAIN))
    plain = Images(data, open_store(store), spec.mode, spec.image_size, threads)
    watched = np.sort(seeded(seed, "watched")[0].permutation(pool)[:WATCHED])
    compared = np.concatenate([held, watched])
    n = len(held)
    scores = logits(model, spec, plain, compared, BATCH)
    new, history = train(model, spec, images, trained, pool, class_shares(scores[n:]), settings, seed)

    before = scores.argmax(axis=1)
    after = logits(new, spec, plain, compared, BATCH).argmax(axis=1)
    better, why = verdict(before[:n] == truth, after[:n] == truth, before[n:], after[n:], classes)
    if not settings.steps:
        better, why = False, "pseudolabel.steps is 0; the warm-up model is handed on"
    figures = {
        "labels": len(trained.rows),
        "unlabelled": len(pool),
        "validation_images": n,
        "confident": history[-1]["confident"] if history else 0.0,
    }
    if n:
        figures["validation_accuracy"] = float(((after if better else before)[:n] == truth).mean())
        figures["warmup_validation_accuracy"] = float((before[:n] == truth).mean())
    save_classifier(
        classifier,
        new if better else model,
        spec,
        history,
        stage="pseudolabel",
        classes=classes,
        dataset=data.id,
        labels=known["sha256"],
        settings=settings.model_dump(mode="json"),
        seed=seed,
        threads=threads,
        precision=precision_name(settings.precision),
        validation_accuracy=figures.get("validation_accuracy"),
        handed_on=not better,
        why=why,
    )
    write_json(metrics, figures)
    return {"metrics": figures, "classifier": {"stage": "pseudolabel", "handed_on": not better, "why": why}}


def class_shares(scores: np.ndarray) -> torch.Tensor:
    """Share of each class, (classes,), as the warm-up model finds them: mean of its probabilities over logits (n,
    classes).
    """
    return torch.from_numpy(scores).softmax(dim=1).mean(dim=0)
