"""Shared by stages that train with labels: targets, endless batches, validation, the classifier artifact."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from components.common.artifacts import LABELS_FILES, TRAIN, VALIDATION, Dataset, ModelSpec, load_labels, save_about
from components.common.data.splits import labelled
from components.common.files import new_folder, write_jsonl
from components.common.learning.environment import environment
from components.common.learning.inference import BATCH, logits
from components.common.learning.loading import Images
from components.common.learning.models import Classifier, checkpoint_file, save_tensors, save_weights


def smooth_targets(labels: np.ndarray, classes: int, smoothing: float, weights: np.ndarray | None = None) -> Tensor:
    """One-hot targets with a share of `smoothing` spread over all classes (Szegedy et al. 2016, section 7): (n,) to (n,
    classes).

    weights: (n,), what each row sums to, else 1: a cross-entropy is linear in its targets, so the loss of the row
    counts as much, mixed with other rows or not.
    """
    targets = F.one_hot(torch.from_numpy(labels), classes).float() * (1 - smoothing) + smoothing / classes
    return targets if weights is None else targets * torch.from_numpy(weights.astype(np.float32))[:, None]


def soft_cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each row's logits against its targets; both (n, classes), returns (n,)."""
    return -(targets * scores.log_softmax(dim=1)).sum(dim=1)


def endless(count: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches of positions below `count`, for ever: pass after pass, each a new shuffle, so that no image is drawn
    twice as often.
    """
    if count < 1:
        raise ValueError("nothing to draw batches from")
    line = np.empty(0, np.int64)
    while True:
        while len(line) < batch_size:
            line = np.concatenate([line, rng.permutation(count)])
        yield line[:batch_size]
        line = line[batch_size:]


def validation_predictions(model: Classifier, spec: ModelSpec, images: Images, rows: np.ndarray) -> np.ndarray:
    """Predicted class of each row, int64."""
    return logits(model, spec, images, rows, BATCH).argmax(axis=1) if len(rows) else np.empty(0, np.int64)


def validation_set(dataset: Dataset, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    table, about = load_labels(labels)
    return labelled(dataset, table, about["classes"], VALIDATION)


def trained_on(about: dict[str, Any]) -> dict[str, int]:
    """Training labels, from labels.json: those that people gave, and beside them those that neighbours did."""
    return {"labels": about["counts"][TRAIN], **({"propagated": n} if (n := about.get("propagated")) else {})}


def save_classifier(
    folder: Path,
    model: Classifier,
    spec: ModelSpec,
    history: list[dict[str, Any]],
    dataset: Dataset,
    labels: Path,
    checkpoints: Mapping[int, dict[str, Tensor]] | None = None,
    **facts: Any,
) -> None:
    """Write the classifier artifact; it takes the labels along, so that later stages measure by those that it learned
    from. labels: the artifact of `sample`, or a classifier; checkpoints: weights of the model at earlier steps, which
    are kept beside it.
    """
    _, known = load_labels(labels)
    if checkpoints:
        facts["checkpoints"] = sorted(checkpoints)
    with new_folder(folder) as temporary:
        save_weights(temporary / "classifier.safetensors", model)
        for step, weights in (checkpoints or {}).items():
            save_tensors(temporary / checkpoint_file(step), weights)
        of = {**dataset.reference(), "labels": known["sha256"], "made_with": environment()}
        save_about(temporary, "classifier", spec, **of, **facts)
        write_jsonl(temporary / "history.jsonl", history)
        for name in LABELS_FILES:
            if (labels / name).is_file():
                shutil.copyfile(labels / name, temporary / name)
