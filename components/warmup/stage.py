"""Train a first classifier from an encoder, embeddings and labels."""

from pathlib import Path

import pyarrow as pa

from components.common.artifacts import load_dataset, load_embeddings, load_labels
from components.common.cli import Metadata
from components.common.data.classes import Classes, classes_of
from components.common.data.splits import training_labels
from components.common.errors import BadInputError
from components.common.files import write_json
from components.common.learning.loading import Images, load_size
from components.common.learning.models import Classifier, load_encoder
from components.common.learning.supervised import save_classifier, trained_on, validation_predictions, validation_set
from components.common.learning.training import initialise, precision_name, set_threads
from components.common.storage import open_store
from components.common.waiting import pass_on, waiting_in
from components.warmup.finetune import finetune, fit_head
from components.warmup.needs import check_memory
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
    warm: Path,
    metrics: Path,
) -> Metadata:
    """Train a first classifier from the encoder and the labels: the head, then all weights."""
    if waiting := waiting_in(labels):
        return pass_on(waiting, store, {"warm": warm}, {"metrics": metrics})
    set_threads(threads)
    data = load_dataset(dataset)
    place = open_store(store)
    table, about = load_labels(labels)
    classes = trainable(table, about["classes"])
    rows, known, weights = training_labels(data, table, classes.trained)
    network, spec, _ = load_encoder(encoder)
    held, truth = validation_set(data, labels)
    check_memory(spec, len(classes.trained), len(held), settings)
    model = initialise(lambda: Classifier(network, len(classes.trained)), seed)
    assert isinstance(model, Classifier)
    fit_head(model, load_embeddings(embeddings, data)[rows], known, settings, weights)
    images = Images(data, place, spec.mode, load_size(spec.image_size), threads)
    history = finetune(model, spec, images, rows, known, settings, seed, weights)

    predicted = validation_predictions(model, spec, Images(data, place, spec.mode, spec.image_size, threads), held)
    figures: dict[str, float] = {**trained_on(about), "validation_images": len(held)}
    if len(held):  # of a class that the model does not know: wrong
        figures["validation_accuracy"] = float((classes.columns[predicted] == truth).mean())
    save_classifier(
        warm,
        model,
        spec,
        history,
        data,
        labels,
        stage="warmup",
        classes=classes.trained,
        unlabelled_classes=classes.missing,
        settings=settings.model_dump(mode="json"),
        seed=seed,
        threads=threads,
        precision=precision_name(settings.precision),
        validation_accuracy=figures.get("validation_accuracy"),
        handed_on=False,
        why="trained from the encoder and the labels",
    )
    write_json(metrics, figures)
    without = {"unlabelled_classes": classes.told()} if classes.missing else {}
    return {"metrics": figures, "warm": {"stage": "warmup", "handed_on": False, **without}}


def trainable(labels: pa.Table, names: list[str]) -> Classes:
    """The classes that the labels can teach; those without a training label are said in the log.

    Raises BadInputError where fewer than two have one.
    """
    classes = classes_of(labels, names)
    if len(classes.trained) < 2:
        raise BadInputError(
            f"labels: the training labels are of {classes.trained or 'no class'}; expected at least two classes; "
            "run `sample` again, it says what is missing"
        )
    if classes.missing:
        print(f"classes without a training label: {classes.told()}; none of them can be predicted", flush=True)
    return classes
