"""The files that a server needs, made and measured before anything is released: the model as ONNX, in 32 and in 8 bits,
the probe, and the reference.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from components.common import metrics as m
from components.common.artifacts import TEST, TRAIN, Dataset, ModelSpec
from components.common.data import looks
from components.common.data.classes import Classes
from components.common.files import json_text, sha256_bytes
from components.common.learning.inference import over_rows
from components.common.learning.int8 import quantized
from components.common.learning.loading import ANY_SIZE, Images
from components.common.learning.models import Classifier, load_classifier
from components.common.learning.onnx_file import TOLERANCE, answers, export
from components.common.seeding import seeded
from components.common.storage import open_store
from components.evaluate import reference
from components.evaluate.measuring import Inputs, Measured
from components.evaluate.present import arrived
from components.releases import probe
from components.releases.model import INT8, MODEL, Answers, OnnxModel, promised
from components.releases.preprocessing import Preprocessing

COMPARED = 200  # test images that torch and onnxruntime both answer
CALIBRATED = 100  # training images, whose activations set the ranges of 8 bits


class Exported(NamedTuple):
    files: dict[str, bytes]  # of the evaluation artifact, by name
    onnx: dict[str, Any]  # `onnx` of metrics.json

    def write(self, folder: Path) -> None:
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


class Source(NamedTuple):
    """The classifier, and the images to try it on."""

    network: Classifier
    spec: ModelSpec
    data: Dataset
    images: Images
    arrived: np.ndarray  # rows that stand for what arrives at present
    seed: int
    threads: int
    batch_size: int

    def draw(self, split: str, purpose: str, most: int) -> np.ndarray:
        """Up to so many rows of a split, ascending; which ones follows from the seed and the purpose."""
        return np.sort(seeded(self.seed, purpose)[0].permutation(self.data.rows(split))[:most])


def exported(inputs: Inputs, found: Measured, threads: int) -> Exported:
    """Make and measure the files of the classifier. found: what it said of the labelled test images.

    An export that differs from the classifier is recorded, not refused: that is for `release` to do, and to say.
    """
    network, spec, _ = load_classifier(inputs.classifier)
    store = open_store(inputs.store)
    images = Images(inputs.data, store, spec.mode, spec.image_size)
    came = arrived(inputs.data, inputs.settings.present, store)
    source = Source(network, spec, inputs.data, images, came, inputs.seed, threads, inputs.settings.batch_size)
    file = export(network, spec)
    model = OnnxModel(file, threads)
    count, difference = compared(source, model)
    facts: dict[str, Any] = {
        "sha256": sha256_bytes(file),
        "size": len(file),
        "images": count,
        "max_difference": difference,
        "tolerance": TOLERANCE,
        "int8": None,
    }
    if difference is None:  # its answers are no numbers, and nothing can be recorded of them
        return Exported({MODEL: file}, facts)
    files = {MODEL: file, "probe.json": json_text(probe.recorded(model)).encode()}
    if (allowed := inputs.settings.int8_max_drop) is not None:
        smaller = eight_bits(source, file)
        facts["int8"] = judged(source, smaller, inputs.classes, found, allowed)
        files |= {INT8: smaller} if facts["int8"]["released"] else {}
    return Exported(files | referred(source, model, inputs.classes, found, inputs.fitted), facts)


def compared(source: Source, model: OnnxModel) -> tuple[int, float | None]:
    """How many test images both answered, and the greatest difference of a logit or an embedding on them and on the
    probe; None where it is not a number.

    torch gets the pixels of training, onnxruntime those that serving makes of the same bytes.
    """
    reads = Preprocessing(source.spec.mode, source.spec.image_size, ANY_SIZE)
    rows = source.draw(TEST, "compared", COMPARED)
    differences = _differences(source, model, torch.from_numpy(probe.probe_pixels(model.shape)))
    for start in range(0, len(rows), source.batch_size):
        some = rows[start : start + source.batch_size]
        served = np.stack([reads.pixels(source.images.reader.image_bytes(row)) for row in some.tolist()])
        differences += _differences(source, model, source.images.batch(some), served)
    greatest = float(np.max(differences))  # not a number where one of them is not
    return len(rows), greatest if np.isfinite(greatest) else None


def _differences(
    source: Source, model: OnnxModel, trained: torch.Tensor, served: np.ndarray | None = None
) -> list[float]:
    """Between torch and onnxruntime, of logits and of embeddings. served: the pixels of serving, where they were made
    apart.
    """
    ours = answers(source.network, source.spec, trained)
    theirs = model.run(trained.numpy() if served is None else served)
    return [float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True)]


def eight_bits(source: Source, file: bytes) -> bytes:
    """The model in 8 bits, its ranges from training images."""
    rows = source.draw(TRAIN, "int8", CALIBRATED)
    return quantized(file, source.images.batch(rows).numpy())


def judged(source: Source, smaller: bytes, classes: Classes, found: Measured, max_drop: float) -> dict[str, Any]:
    """What the model in 8 bits loses on the labelled test images, and whether it is released."""
    n = len(found.rows)
    about = {"sha256": sha256_bytes(smaller), "size": len(smaller), "images": n, "max_drop": max_drop}
    if not n:
        why = "no test labels to measure its loss on: set sample.test_budget, and answer its picks"
        return {**about, "accuracy": None, "drop": None, "released": False, "why": why}
    model = OnnxModel(smaller, source.threads, INT8)
    (logits,) = over_rows([lambda x: model.run(x.numpy())[0]], source.images, found.rows, source.batch_size)
    accuracy = m.accuracy(found.true, classes.spread(logits).argmax(axis=1))
    # equal accuracies must not differ by the last bit
    drop = round(m.accuracy(found.true, found.asked.logits.argmax(axis=1)) - accuracy, 12)
    fits = drop <= max_drop
    relation = "at most" if fits else "more than"
    why = (
        f"it loses {100 * drop:.2f} points of accuracy on {n} test images, {relation} the {100 * max_drop:.2f} allowed"
    )
    return {**about, "accuracy": accuracy, "drop": drop, "released": fits, "why": why}


def referred(
    source: Source, model: OnnxModel, classes: Classes, found: Measured, fitted: dict[str, Any]
) -> dict[str, bytes]:
    """reference.parquet and reference.json: the answers of the very file that is released. fitted: calibration.json."""
    features = source.network.head.in_features
    rows, present = reference.reference_rows(source.data, source.arrived, found.rows, features, source.seed)
    said, how = _seen(source, model, rows, fitted["temperature"])
    confusion = {"classes": classes.names, "counts": found.matrix.tolist() if len(found.rows) else None}
    labels = dict(zip(found.rows.tolist(), found.labels.tolist(), strict=True))
    threshold = promised(fitted.get("thresholds"), "precision", "threshold")
    now = Answers(*(each[present] for each in said)), {name: values[present] for name, values in how.items()}
    told = reference.summary(*now, classes.trained, fitted["temperature"], confusion, source.seed)
    return {
        "reference.parquet": reference.table(
            source.data.column("id")[rows],
            said,
            how,
            classes.trained,
            threshold,
            [*map(labels.get, rows.tolist())],
            present,
        ),
        "reference.json": json_text(told).encode(),
    }


def _seen(
    source: Source, model: OnnxModel, rows: np.ndarray, temperature: float
) -> tuple[Answers, dict[str, np.ndarray]]:
    """What the model says of rows and how their images look, in their order."""
    if not len(rows):
        nothing = np.empty((0, model.classes), np.float32)
        embeddings = np.empty((0, source.network.head.in_features), np.float32)
        return Answers(nothing, nothing, embeddings), dict.fromkeys(looks.Looks._fields, np.empty(0))
    both, seen = over_rows(
        [
            lambda x: np.hstack(model.run(x.numpy())),
            lambda x: np.array([[looks.brightness(image), looks.sharpness(image)] for image in x.numpy()]),
        ],
        source.images,
        rows,
        source.batch_size,
    )
    logits, embeddings = np.split(both, [model.classes], axis=1)
    sides = (source.data.column(name)[rows].tolist() for name in ("width", "height"))
    sizes = np.array([looks.size(*each) for each in zip(*sides, strict=True)])
    how = {"brightness": seen[:, 0], "size": sizes, "sharpness": seen[:, 1]}
    return Answers(logits, m.softmax(logits, temperature), embeddings), how
