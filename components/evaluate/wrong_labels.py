"""Labels that look wrong, of every purpose: `suspects` of metrics.json."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from components.common import metrics as m
from components.common.artifacts import CALIBRATION, PROPAGATED, TEST, TRAIN, VALIDATION, Dataset
from components.common.data.classes import Classes
from components.common.data.splits import labelled
from components.common.seeding import seeded
from components.evaluate.measures.probe import held_out
from components.evaluate.measures.suspects import suspects

SHOWN = 100
LOOKED = {TEST: 10_000, CALIBRATION: 1_000, VALIDATION: 1_000, TRAIN: 5_000}
"""Labels of a purpose that are looked at, at most: more of those that the model is asked about anew would take long."""


class Looked(NamedTuple):
    """Labels of one purpose, and what a model says that did not learn from them."""

    purpose: str
    rows: np.ndarray  # of the index (n,)
    given: np.ndarray  # class indices among the classes with a training label (n,)
    probabilities: np.ndarray  # (n, those classes)


def wrong_labels(
    data: Dataset,
    labels: pa.Table,
    classes: Classes,
    embeddings: np.ndarray,
    tested: tuple[np.ndarray, np.ndarray],
    final: Callable[[np.ndarray], np.ndarray],
    temperature: float,
    seed: int,
) -> dict[str, Any]:
    """Labels that look wrong, the surest first: `suspects`, SHOWN at most, of the `suspects_found` among
    `suspects_looked` labels.

    tested: rows and logits of the test images; final: gives logits of rows. Labels for validation, calibration and test
    are judged by the final model, which did not learn from them; training labels, which it knows by heart, by a probe
    on the embeddings that leaves out each near-duplicate group in turn. Images of classes without a training label are
    not looked at, nor labels that neighbours gave.
    """
    given_by = labels.column("source").to_pylist()
    people = labels.filter(pa.array([source != PROPAGATED for source in given_by], pa.bool_()))
    index_of = np.full(len(classes.names), -1)
    index_of[classes.columns] = np.arange(len(classes.columns))
    held, training = [], []
    for purpose in (TEST, CALIBRATION, VALIDATION, TRAIN):
        rows, given = labelled(data, people, classes.names, purpose)
        chosen = _some(index_of[given] >= 0, purpose, seed)
        rows, given = rows[chosen], index_of[given[chosen]]
        if purpose == TRAIN:
            found = _by_probe(data, embeddings, rows, given, len(classes.trained))
            training.append(Looked(purpose, rows, given, found))
            continue
        logits = tested[1][np.searchsorted(tested[0], rows)] if purpose == TEST else final(rows)
        scores = logits[:, classes.columns]
        held.append(Looked(purpose, rows, given, m.softmax(scores, temperature) if len(rows) else scores))
    lines = [line for looked in (held, training) for line in _lines(data, classes.trained, looked)]
    lines.sort(key=lambda line: (-line.pop("margin"), line["id"]))
    return {
        "suspects": lines[:SHOWN],
        "suspects_found": len(lines),
        "suspects_looked": sum(len(looked.rows) for looked in (*held, *training)),
    }


def _some(known: np.ndarray, purpose: str, seed: int) -> np.ndarray:
    """Positions that are known, ascending; as many as LOOKED says at most, drawn at random."""
    places = np.flatnonzero(known)
    return np.sort(seeded(seed, f"suspects {purpose}")[0].permutation(places)[: LOOKED[purpose]])


def _by_probe(data: Dataset, embeddings: np.ndarray, rows: np.ndarray, given: np.ndarray, classes: int) -> np.ndarray:
    if len(rows) < 2:
        return np.full((len(rows), classes), 1 / max(1, classes))
    return held_out(np.asarray(embeddings[rows], np.float32), given, data.column("group")[rows], classes)


def _lines(data: Dataset, names: list[str], looked: list[Looked]) -> list[dict[str, Any]]:
    """The suspects of several purposes that one model judged: its thresholds are of all of them."""
    given = np.concatenate([each.given for each in looked])
    if not len(given):
        return []
    probabilities = np.concatenate([each.probabilities for each in looked])
    rows = np.concatenate([each.rows for each in looked])
    purposes = np.repeat([each.purpose for each in looked], [len(each.rows) for each in looked])
    ids = data.column("id")
    return [
        {
            "id": str(ids[rows[place]]),
            "purpose": str(purposes[place]),
            "label": names[given[place]],
            "suggested": names[other],
            "confidence": float(probabilities[place, other]),
            "margin": float(probabilities[place, other] - probabilities[place, given[place]]),
        }
        for place, other in zip(*suspects(probabilities, given), strict=True)
    ]
