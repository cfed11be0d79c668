"""The stage: encoder, embeddings and labels in; a first classifier out."""

from pathlib import Path
from typing import Any

import numpy as np

from components.common.artifacts import TRAIN, Dataset, load_dataset, load_embeddings, load_labels
from components.common.cli import Metadata
from components.common.data.splits import labelled
from components.common.errors import BadInputError
from components.common.files import write_json
from components.common.learning.loading import Images, load_size
from components.common.learning.models import Classifier, load_encoder
from components.common.learning.supervised import save_classifier, validation_predictions, validation_set
from components.common.learning.training import initialise, precision_name, set_threads
from components.common.storage import open_store
from components.warmup.finetune import finetune, fit_head
from components.warmup.settings import WarmupSettings


def run(
    dataset: Path,
    encoder: Path,
    embeddings: Path,
    labels: Path,
    store: str,
    seed: int,
    threads: int,
    settings: WarmupSettings,
    classifier: Path,
    metrics: Path,
) -> Metadata:
    """Train a first classifier from the encoder and the labels: the head, then all weights."""
    set_threads(threads)
    data = load_dataset(dataset)
    place = open_store(store)
    rows, known, about = training_labels(data, labels, store)
    network, spec, _ = load_encoder(encoder)
    model = initialise(lambda: Classifier(network, len(about["classes"])), seed)
    assert isinstance(model, Classifier)
    fit_head(model, load_embeddings(embeddings, data)[rows], known, settings)
    history = finetune(
        model, spec, Images(data, place, spec.mode, load_size(spec.image_size), threads), rows, known, settings, seed
    )

    held, truth = validation_set(data, labels)
    right = validation_predictions(model, spec, Images(data, place, spec.mode, spec.image_size, threads), held) == truth
    figures = {"labels": len(rows), "validation_images": len(held)} | (
        {"validation_accuracy": float(right.mean())} if len(held) else {}
    )
    save_classifier(
        classifier,
        model,
        spec,
        history,
        stage="warmup",
        classes=about["classes"],
        dataset=data.id,
        labels=about["sha256"],
        settings=settings.model_dump(mode="json"),
        seed=seed,
        threads=threads,
        precision=precision_name(settings.precision),
        validation_accuracy=figures.get("validation_accuracy"),
        handed_on=False,
        why="trained from the encoder and the labels",
    )
    write_json(metrics, figures)
    return {"metrics": figures, "classifier": {"stage": "warmup", "handed_on": False}}


def training_labels(data: Dataset, labels: Path, store: str) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Rows and classes of the training labels. Raises BadInputError, naming the class, where one has none: it could
    never be predicted.
    """
    table, about = load_labels(labels)
    candidates = f"{store}/{about['candidates']}/candidates.csv"
    classes: list[str] = about["classes"]
    if len(classes) < 2:
        have = f"the labels name {classes or 'no class'}" if classes else "no image is labelled yet"
        raise BadInputError(
            f"{have}; expected at least two classes; label the images of {candidates} and name the file as"
            " sample.labels_file, with label_access: file"
        )
    rows, known = labelled(data, table, classes, TRAIN)
    missing = [name for index, name in enumerate(classes) if index not in known]
    if missing:
        what = ", ".join(repr(name) for name in missing[:10]) + (" …" if len(missing) > 10 else "")
        raise BadInputError(
            f"no training label for class {what} ({len(rows)} labels in all); expected one of each class;"
            f" raise sample.train_budget or label more images of {candidates}"
        )
    return rows, known, about
