"""What is asked about: a pick and its reason, held-out picks by a draw that no model touches, disputed images."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from components.common.artifacts import CALIBRATION, TEST, TRAIN, VALIDATION, Dataset
from components.sample.settings import SampleSettings
from components.sample.strategies.pool import BLOCK

PICKS = 1024  # whose nearest images are looked for at a time


@dataclass(frozen=True)
class Pick:
    row: int
    purpose: str  # the split of the image
    reason: str


def held_out_picks(dataset: Dataset, settings: SampleSettings, seed: int, passed: Collection[int] = ()) -> list[Pick]:
    """A random draw per split. A larger budget only adds to a smaller one: each image has its place in line by seed and
    id. passed: rows that got no label when people were asked, for which the next in line are drawn.
    """
    return [
        Pick(row, split, drawn_for(split))
        for split, budget in budgets(settings).items()
        for row in in_line(dataset, dataset.rows(split), seed, passed)[:budget]
    ]


def budgets(settings: SampleSettings) -> dict[str, int | None]:
    """Picks of each held-out split; None for all of it."""
    return {
        VALIDATION: settings.validation_budget,
        CALIBRATION: settings.calibration_budget,
        TEST: settings.test_budget,
    }


def in_line(dataset: Dataset, rows: np.ndarray, seed: int, passed: Collection[int] = ()) -> list[int]:
    """These rows in an order that follows from the seed and each image's id alone, without those passed over."""
    ids = dataset.column("id")
    line = sorted(rows.tolist(), key=lambda row: hashlib.sha256(f"{seed} {ids[row]}".encode()).digest())
    return [row for row in line if row not in passed]


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
    """For each pick, the row of the nearest image that is labelled already or was picked for training before it; of
    equally near ones the first.

    embeddings: (images, features), perhaps a memory map: taken by blocks.
    """
    training = [pick.row for pick in picks if pick.purpose == TRAIN]
    known = np.array([*answered, *training], np.int64)
    if not len(known):
        return [None] * len(picks)
    before = np.cumsum([0, *(pick.purpose == TRAIN for pick in picks)])[:-1] + len(answered)
    best = np.full(len(picks), -np.inf, np.float32)
    nearest = np.full(len(picks), -1)
    with threadpool_limits(1):
        for start in range(0, len(known), BLOCK):
            some = np.asarray(embeddings[known[start : start + BLOCK]], np.float32)
            for first in range(0, len(picks), PICKS):
                part = slice(first, first + PICKS)
                likeness = some @ np.asarray(embeddings[[pick.row for pick in picks[part]]], np.float32).T
                likeness[np.arange(start, start + len(some))[:, None] >= before[part]] = -np.inf
                found = likeness.argmax(axis=0)
                closer = likeness[found, np.arange(len(found))]
                better = closer > best[part]
                best[part][better] = closer[better]
                nearest[part][better] = known[start + found[better]]
    return [None if row < 0 else row for row in nearest.tolist()]
