"""Which images may be trained on, and with which labels; no other module decides that."""

import hashlib

import numpy as np
import pyarrow as pa

from components.common.artifacts import CALIBRATION, PROPAGATED, SPLITS, TEST, TRAIN, VALIDATION, Dataset
from components.common.errors import BadInputError


def split_of(group: str) -> str:
    """Split of a near-duplicate group: md5 of its id, modulo 10; 0-6 train, 7 validation, 8 calibration, 9 test."""
    residue = int(hashlib.md5(group.encode(), usedforsecurity=False).hexdigest(), 16) % 10
    return {7: VALIDATION, 8: CALIBRATION, 9: TEST}.get(residue, TRAIN)


def unlabelled_pool(dataset: Dataset) -> np.ndarray:
    """Rows whose pixels may be trained on: the train split and nothing else."""
    return dataset.rows(TRAIN)


def labelled(dataset: Dataset, labels: pa.Table, classes: list[str], purpose: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows (ascending) and class indices of the labels bought for one purpose, both int64.

    Raises BadInputError where a label's image is unknown, lies in another split, or is of an unknown class: a label of
    a held-out image must not train, nor one of a train image or a propagated one measure.
    """
    if purpose not in SPLITS:
        raise ValueError(f"purpose {purpose!r} is not one of {SPLITS}")
    row_of = {image: row for row, image in enumerate(dataset.column("id"))}
    splits = dataset.column("split")
    index_of = {name: index for index, name in enumerate(classes)}
    found: list[tuple[int, int]] = []
    for entry in labels.select(["id", "label", "purpose", "source"]).to_pylist():
        if entry["purpose"] != purpose:
            continue
        row = row_of.get(entry["id"])
        if row is None:
            where = f"dataset {dataset.name}@{dataset.id[:12]}"
            raise BadInputError(f"labels: image {entry['id'][:12]} is not in {where}; run `sample` on it again")
        if splits[row] != purpose:
            raise BadInputError(
                f"labels: image {entry['id'][:12]} is labelled for {purpose} but lies in the {splits[row]} split"
            )
        if entry["source"] == PROPAGATED and purpose != TRAIN:
            raise BadInputError(
                f"labels: image {entry['id'][:12]} has a propagated label for {purpose}, which people alone label; run "
                "`sample` again"
            )
        if entry["label"] not in index_of:
            raise BadInputError(f"labels: class {entry['label']!r} of image {entry['id'][:12]} is not one of {classes}")
        found.append((row, index_of[entry["label"]]))
    found.sort()
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def training_labels(
    dataset: Dataset, labels: pa.Table, classes: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (ascending) and class indices to train on, both int64, and how much each label counts, float32 of mean 1:
    all 1 where people gave all of them. Raises BadInputError as `labelled` does.
    """
    rows, known = labelled(dataset, labels, classes, TRAIN)
    kept = labels.filter(pa.array([purpose == TRAIN for purpose in labels.column("purpose").to_pylist()], pa.bool_()))
    weight_of = dict(zip(kept.column("id").to_pylist(), kept.column("weight").to_pylist(), strict=True))
    weights = np.array([weight_of[image] for image in dataset.column("id")[rows]], dtype=np.float32)
    return rows, known, weights / weights.mean() if len(weights) else weights
