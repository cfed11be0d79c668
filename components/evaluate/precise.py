"""A second opinion on images of the pool: where the ensemble disagrees surely with the final model."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from components.common import rounds
from components.common.data.splits import training_labels, unlabelled_pool
from components.common.learning.footprint import check_inference
from components.common.learning.inference import over_rows
from components.common.learning.loading import Images
from components.common.metrics import wilson_interval
from components.common.parquet import save_table
from components.common.seeding import seeded
from components.common.storage import open_store
from components.evaluate.ensemble import Ensemble
from components.evaluate.measuring import Inputs

OPINION = pa.schema(
    [
        ("id", pa.string()),
        ("predicted", pa.string()),  # by the final model
        ("confidence", pa.float64()),  # after the temperature
        ("opinion", pa.string()),  # of the ensemble
        ("opinion_confidence", pa.float64()),
        ("entropy", pa.float64()),  # of the ensemble's mean, in nats
        ("mutual_information", pa.float64()),  # between the answer and the member, in nats: BALD
        ("disagrees", pa.bool_()),  # surely
    ]
)
NONE_LEFT = "every image of the pool has a label"


class Answered(NamedTuple):
    """What the final model and the ensemble say of images, arrays (images,)."""

    predicted: np.ndarray
    confidence: np.ndarray
    opinion: np.ndarray
    opinion_confidence: np.ndarray
    entropy: np.ndarray
    information: np.ndarray


def second_opinion(inputs: Inputs, tests: np.ndarray, labels: np.ndarray) -> tuple[dict[str, Any], pa.Table]:
    """`precise` of metrics.json, and opinion.parquet: a row per image that was asked about, the surest disagreements
    first, then those on which the members differ most.

    tests: rows of the test images, of which as many are asked about as of the pool at most; labels: their names.
    """
    settings, seed = inputs.settings.precise, inputs.seed
    taught = training_labels(inputs.data, inputs.labels, inputs.classes.names)[0]
    pool = drawn(np.setdiff1d(unlabelled_pool(inputs.data), taught), settings.images, seed)
    place = np.searchsorted(tests, drawn(tests, settings.images, seed))
    ensemble = Ensemble(inputs.classifier, inputs.fitted["temperature"], settings, seed, len(pool) + len(place))
    said = _ask(ensemble, inputs, pool)
    surely = disagrees(said, settings.sure)
    order = np.lexsort((-said.information, -said.opinion_confidence * surely, ~surely))
    table = pa.table(
        {
            "id": inputs.data.column("id")[pool],
            **dict(zip(OPINION.names[1:], (*said, surely), strict=True)),
        }
    ).take(pa.array(order))
    tested = _ask(ensemble, inputs, tests[place])
    right = tested.opinion == labels[place]
    return {
        "images": len(pool),
        "models": len(ensemble.networks),
        "views": settings.views,
        "passes": settings.passes,
        "agreement": float(np.mean(said.opinion == said.predicted)) if len(pool) else None,
        "disagree": int(surely.sum()),
        "sure": settings.sure,
        "mutual_information": float(said.information.mean()) if len(pool) else None,
        **_accuracy(right, tested.predicted == labels[place]),
        "why": sentence(len(pool), surely) if len(pool) else NONE_LEFT,
    }, table


def offer(folder: Path, opinion: pa.Table, inputs: Inputs) -> None:
    """Write opinion.parquet, and keep it in the store for the next round's sampler."""
    save_table(folder / "opinion.parquet", opinion, OPINION)
    number = inputs.labels_about.get("round", 1)
    rounds.save_opinion(open_store(inputs.store), inputs.data.name, number, folder / "opinion.parquet")


def drawn(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many of the rows, ascending; a larger draw holds a smaller one."""
    return np.sort(seeded(seed, "second opinion")[0].permutation(rows)[:most])


def disagrees(said: Answered, sure: float) -> np.ndarray:
    """Where the ensemble says another class, and gives it at least a probability of `sure`: boolean (images,)."""
    return (said.opinion != said.predicted) & (said.opinion_confidence >= sure)


def sentence(images: int, surely: np.ndarray) -> str:
    n = int(surely.sum())
    return f"on {n:,} of {images:,} images of the pool the ensemble surely says another class"


def _accuracy(right: np.ndarray, alone: np.ndarray) -> dict[str, Any]:
    """Of the ensemble on the test images with its interval, and of the final model on the same ones."""
    if not len(right):
        return {"test_images": 0, "accuracy": None, "low": None, "high": None, "accuracy_alone": None}
    low, high = wilson_interval(int(right.sum()), len(right))
    return {
        "test_images": len(right),
        "accuracy": float(right.mean()),
        "low": low,
        "high": high,
        "accuracy_alone": float(alone.mean()),
    }


def _ask(ensemble: Ensemble, inputs: Inputs, rows: np.ndarray) -> Answered:
    names = np.array(ensemble.classes, dtype=object)
    if not len(rows):
        return Answered(*(np.empty(0, object if kind % 2 == 0 and kind < 4 else float) for kind in range(6)))
    spec, size = ensemble.spec, inputs.settings.batch_size
    check_inference("evaluate", spec, min(size, len(rows)), "batch_size")
    images = Images(inputs.data, open_store(inputs.store), spec.mode, spec.image_size, keep=False)
    found = over_rows([ensemble], images, rows, size)[0]
    alone, together = found[:, : len(names)], found[:, len(names) : 2 * len(names)]
    return Answered(
        names[alone.argmax(axis=1)],
        alone.max(axis=1),
        names[together.argmax(axis=1)],
        together.max(axis=1),
        found[:, -2],
        found[:, -1],
    )
