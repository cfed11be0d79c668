"""All that evaluate measures on the test images: metrics.json but for its provenance, and what the report draws."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from components.common import metrics as m
from components.common.artifacts import TEST, Dataset, load_dataset, load_embeddings, load_labels
from components.common.data.classes import Classes, classes_of
from components.common.data.splits import labelled, training_labels
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_file
from components.common.storage import open_store
from components.evaluate.against import Tests, against_champion, against_warmup, lost
from components.evaluate.asked import Asked, Asker, Said, said, said_by
from components.evaluate.champion import Champion, load_champion
from components.evaluate.columns import Columns, arrival, columns_of
from components.evaluate.figures import measure, per_class, pseudolabels
from components.evaluate.measures.mistakes import clusters, confused
from components.evaluate.measures.risk import risk_coverage
from components.evaluate.measures.slices import Compared, slices
from components.evaluate.promises import kept
from components.evaluate.settings import EvaluateSettings
from components.evaluate.wrong_labels import wrong_labels
from components.releases.opponent import moved_on


class Inputs(NamedTuple):
    """The artifacts that evaluate reads."""

    dataset: Path
    data: Dataset
    embeddings: np.ndarray
    labels: pa.Table
    labels_about: dict[str, Any]  # labels.json
    classes: Classes
    warm: Path
    classifier: Path
    weights: str  # sha256 of the classifier's
    fitted: dict[str, Any]  # calibration.json
    champion: Champion | None
    store: str
    seed: int
    settings: EvaluateSettings


class Measured(NamedTuple):
    """What the models say of the test images, in the order of the index."""

    rows: np.ndarray
    true: np.ndarray  # class indices
    labels: np.ndarray  # the same as names
    asked: Asked
    final: Said
    warm: Said
    champion: Said | None
    compared: np.ndarray  # boolean: the images that the champion is compared on
    columns: Columns
    matrix: np.ndarray  # counts of the final model: rows are true classes, columns predicted ones


def read_inputs(
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
) -> Inputs:
    """Load them, and the champion from the store; BadInputError where they do not go together."""
    data = load_dataset(dataset)
    table, about = load_labels(labels)
    fitted = _calibration(calibration, classifier)
    classes = classes_of(table, about["classes"])
    weights = sha256_file(classifier / "classifier.safetensors")
    version = moved_on(open_store(store), data.name, settings.champion, weights)
    champion = load_champion(store, data.name, version, threads)
    vectors = load_embeddings(embeddings, data)
    return Inputs(
        dataset,
        data,
        vectors,
        table,
        about,
        classes,
        warm,
        classifier,
        weights,
        fitted,
        champion,
        store,
        seed,
        settings,
    )


def measured(inputs: Inputs) -> tuple[Measured, dict[str, Any]]:
    """Ask every model about the test images: what they say, and the figures of metrics.json by name."""
    names, temperature = inputs.classes.names, inputs.fitted["temperature"]
    rows, true = labelled(inputs.data, inputs.labels, names, TEST)
    labels = np.array(names, dtype=object)[true]
    asker = Asker(
        inputs.classifier,
        inputs.warm,
        inputs.champion,
        inputs.classes,
        inputs.data,
        inputs.store,
        inputs.settings.batch_size,
    )
    asked = asker(rows)
    final, warm = said_by(asked, names, labels, temperature)
    model = inputs.champion.model if inputs.champion else None
    champion = said(asked.champion, model.classes, labels) if model and asked.champion is not None else None
    seen = inputs.champion.seen(inputs.data, rows) if inputs.champion else np.zeros(len(rows), bool)
    tests = Tests(labels, seen, names, inputs.data.id)
    against, compared = _against(inputs, tests, final, warm, champion)
    taught = training_labels(inputs.data, inputs.labels, names)[0]
    columns = columns_of(
        inputs.dataset, inputs.data, inputs.embeddings, rows, labels, asked.brightness, taught, inputs.seed
    )
    learned = inputs.champion.dataset if inputs.champion else ""
    columns = columns._replace(arrived=arrival(inputs.data, rows, learned, open_store(inputs.store)))
    matrix = m.confusion_matrix(true, asked.logits.argmax(axis=1), len(names))
    found = Measured(rows, true, labels, asked, final, warm, champion, compared, columns, matrix)
    known = np.isin(true, inputs.classes.columns)
    return found, {
        **measure(asked.logits, asked.warm_logits, true, known, temperature, inputs.settings.bins),
        "against": against,
        "forgotten": lost(final, champion, labels, compared),
        **_parts(inputs, found),
        **wrong_labels(
            inputs.data,
            inputs.labels,
            inputs.classes,
            inputs.embeddings,
            (rows, asked.logits),
            asker.final,
            temperature,
            inputs.seed,
        ),
        "pseudolabels": pseudolabels(inputs.classifier),
        "thresholds": kept(inputs.fitted.get("thresholds"), m.softmax(asked.logits, temperature), true),
    }


def _against(
    inputs: Inputs, tests: Tests, final: Said, warm: Said, champion: Said | None
) -> tuple[dict[str, Any], np.ndarray]:
    """`against` of metrics.json, and the images that the champion is compared on."""
    bins, seed = inputs.settings.bins, inputs.seed
    told, compared = against_champion(inputs.champion, final, champion, tests, inputs.weights, bins, seed)
    return {"warmup": against_warmup(final, warm, tests, bins, seed), "champion": told}, compared


def _parts(inputs: Inputs, found: Measured) -> dict[str, Any]:
    """Figures of parts of the test images: classes, slices, mistakes, the surest."""
    names, small = inputs.classes.names, inputs.settings.small_slice
    right = found.final.right
    against = Compared(found.compared, found.champion.right) if found.champion else None
    wrong = np.flatnonzero(~right)
    return {
        "per_class": per_class(names, found.matrix, found.labels, against, small),
        "slices": slices(found.columns.kinds(), right, small, against, found.columns.numbers()),
        "confused": confused(names, found.matrix),
        "risk_coverage": risk_coverage(found.final.confidence, right) if len(right) else None,
        "clusters": clusters(
            np.asarray(inputs.embeddings[found.rows[wrong]], np.float32),
            inputs.data.column("id")[found.rows[wrong]],
            found.labels[wrong],
            found.final.predicted[wrong],
            inputs.seed,
        ),
    }


def _calibration(folder: Path, classifier: Path) -> dict[str, Any]:
    """calibration.json, where it was fitted for this very classifier."""
    path = folder / "calibration.json"
    if not path.is_file():
        raise BadInputError(f"{folder}: holds no calibration.json; expected the output of calibrate")
    fitted = read_json(path)
    if fitted["classifier"] != sha256_file(classifier / "classifier.safetensors"):
        raise BadInputError(f"{path}: fitted for another classifier; run calibrate on this one")
    return fitted
