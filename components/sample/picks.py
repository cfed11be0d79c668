"""Which images to ask about: training picks by the strategy, held-out picks by a draw that no model touches."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.common.artifacts import CALIBRATION, TEST, TRAIN, VALIDATION, Dataset
from components.common.data.splits import unlabelled_pool
from components.common.seeding import seeded
from components.sample.settings import SampleSettings
from components.sample.typiclust import typiclust


@dataclass(frozen=True)
class Pick:
    row: int
    purpose: str  # the split of the image
    reason: str


def training_picks(
    dataset: Dataset, embeddings: np.ndarray, answered: np.ndarray, settings: SampleSettings, seed: int
) -> list[Pick]:
    """Images of the train split, best first, until those answered already (rows) and these fill the budget."""
    pool = unlabelled_pool(dataset)
    budget = max(0, settings.train_budget - len(answered))
    if settings.strategy == "random":
        order = seeded(seed, "random picks")[0].permutation(np.setdiff1d(pool, answered))
        return [Pick(int(row), TRAIN, "random draw") for row in order[:budget]]
    rows, sizes, scores = typiclust(
        embeddings[pool], budget, np.flatnonzero(np.isin(pool, answered)), settings.neighbours, seed
    )
    return [
        Pick(int(pool[row]), TRAIN, f"typical of a cluster of {size} (typicality {score:.2f})")
        for row, size, score in zip(rows, sizes, scores, strict=True)
    ]


def held_out_picks(dataset: Dataset, settings: SampleSettings, seed: int) -> list[Pick]:
    """A random draw per split. A larger budget only adds to a smaller one: each image has its place in line by seed and
    id.
    """
    budgets = {
        VALIDATION: settings.validation_budget,
        CALIBRATION: settings.calibration_budget,
        TEST: settings.test_budget,
    }
    ids = dataset.column("id")
    picks: list[Pick] = []
    for split, budget in budgets.items():
        line = sorted(
            dataset.rows(split).tolist(), key=lambda row: hashlib.sha256(f"{seed} {ids[row]}".encode()).digest()
        )
        picks += [Pick(row, split, drawn_for(split)) for row in line[:budget]]
    return picks


def drawn_for(split: str) -> str:
    """The reason of a held-out pick."""
    return f"random draw for {split}"


def with_conflicts(picks: list[Pick], conflicts: Mapping[int, Sequence[str]], pool: np.ndarray) -> list[Pick]:
    """The picks, with images that annotators disagree about (row to classes): held-out ones where they were drawn, and
    those of the training pool (rows) before all others.
    """
    reasons = {row: f"annotators disagree: {', '.join(classes)}" for row, classes in conflicts.items()}
    again = [Pick(row, TRAIN, reasons[row]) for row in sorted(reasons.keys() & set(pool.tolist()))]
    return again + [replace(pick, reason=reasons.get(pick.row, pick.reason)) for pick in picks]


def nearest_labelled(embeddings: np.ndarray, picks: list[Pick], answered: np.ndarray) -> list[int | None]:
    """For each pick, the row of the nearest image that is labelled already or was picked for training before it."""
    vectors = embeddings.astype(np.float32)
    known = [int(row) for row in answered]
    nearest: list[int | None] = []
    for pick in picks:
        likeness = vectors[known] @ vectors[pick.row]
        nearest.append(int(known[int(likeness.argmax())]) if known else None)
        if pick.purpose == TRAIN:
            known.append(pick.row)
    return nearest
