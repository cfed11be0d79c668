"""The training picks of a round, and how many there may be."""

from collections.abc import Mapping

import numpy as np

from components.common import rounds
from components.common.artifacts import TRAIN, Dataset
from components.common.storage import Store
from components.common.wanted import read_wanted
from components.sample.answers import Answers
from components.sample.choose import Taught, choose
from components.sample.opinion import offered
from components.sample.picks import Pick
from components.sample.pools import alike, among
from components.sample.settings import SampleSettings
from components.sample.strategies.pool import Pool


def taught_by(labels: Mapping[int, str], pool: Pool, names: list[str], neighbours: int) -> Taught:
    """What these labels (by row, of images of the pool that are labelled) say. names: of all classes; none where nobody
    has named any.
    """
    said = [labels[int(row)] for row in pool.rows[pool.labelled]]
    classes = [name for name in names if name in set(said)] if names else sorted(set(said))
    index = {name: place for place, name in enumerate(classes)}
    return Taught(pool, np.array([index[name] for name in said], np.int64), classes, len(names), neighbours)


def training_picks(
    dataset: Dataset, taught: Taught, known: Answers, settings: SampleSettings, store: Store | None = None
) -> list[Pick]:
    """Images of the train split, best first, until those answered already, those that people disagree about and these
    fill the budget, or these and the disputed the round. store: holds the second opinion that the settings name, whose
    images come before those of the strategy.
    """
    pool = taught.pool
    disputed = int(np.isin(pool.rows, np.array(list(known.conflicts), np.int64)).sum())
    budget = settings.train_budget - len(pool.labelled) - disputed
    if settings.round_size is not None:
        budget = min(budget, settings.round_size - disputed)
    wanted = read_wanted(settings.candidates_from)[1] if settings.candidates_from else None
    free = pool.free if wanted is None else among(dataset, pool, wanted, known)
    first: list[Pick] = []
    if store and settings.opinion and wanted is None:
        answered = {*known.given, *known.conflicts, *known.passed}
        most = int(settings.second_opinion * max(0, budget))
        first = offered(dataset, rounds.load_opinion(store, settings.opinion), pool, answered, most)
        free = free & ~alike(dataset, pool, [pick.row for pick in first])
    chosen = choose(taught, free, budget - len(first), settings)
    rows = pool.rows[chosen.positions].tolist()
    asked = [""] * len(rows)
    if wanted is not None:
        reasons = [wanted[image] for image in dataset.column("id")[rows]]
        asked = [f"; asked for: {reason}" if reason else "" for reason in reasons]
    return first + [
        Pick(row, TRAIN, reason + why) for row, reason, why in zip(rows, chosen.reasons, asked, strict=True)
    ]


def too_few(names: list[str], settings: SampleSettings) -> str:
    """A sentence where the budget cannot give each class a label; else empty."""
    if settings.train_budget >= len(names) or settings.label_access == "source":
        return ""
    return (
        f"sample.train_budget ({settings.train_budget}) is below the number of classes ({len(names):,}): at most so "
        "many of them get a training label, and no model predicts the others."
    )
