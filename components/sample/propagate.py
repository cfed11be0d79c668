"""Give labels to near neighbours of labelled images, as far as held-out labels say that this is right."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from components.common.artifacts import LABELS, PROPAGATED, TRAIN, VALIDATION, Dataset
from components.common.data.splits import labelled
from components.sample.strategies.distances import spans, squared, squares, workers
from components.sample.strategies.pool import BLOCK, Pool

AGREEING = 3  # nearest labelled images, which must all be of one class
PRECISION = 0.9  # of propagated labels, that the bound is set for
AT_ONCE = 1 << 22  # distances held by a thread: 16 MiB
ANNOTATOR = "gleaner"


class Labelled(NamedTuple):
    """Images that people labelled."""

    vectors: np.ndarray  # (m, features) of unit length
    labels: np.ndarray  # (m,) class indices
    clusters: np.ndarray  # (m,)


class Guessed(NamedTuple):
    """What the labelled images around an image say of it."""

    labels: np.ndarray  # (n,) class index; -1 where they disagree, or where the nearest is of another cluster
    distance: np.ndarray  # (n,) to the nearest, float32


class Spread(NamedTuple):
    """Labels for images that nobody looked at."""

    positions: np.ndarray  # (s,) of the pool, int64, ascending
    labels: np.ndarray  # (s,) class indices
    weight: float  # of each in training, below 1: the precision that was measured; 0 where there are none
    bound: float  # they are as near as this to a labelled image
    checked: int  # held-out labels that the bound and the precision follow from
    right: int

    @property
    def told(self) -> str:
        """In a sentence, for the log."""
        if not self.weight:
            return (
                f"no label was propagated: of {self.checked:,} held-out labels that near neighbours agree on they are "
                f"right about {self.right:,}, and at no distance is the precision {PRECISION:g}"
            )
        return (
            f"propagated {len(self.positions):,} labels to images within {self.bound:.3f} of a labelled one: "
            f"{self.right:,} of {self.checked:,} held-out labels that near show a precision of {self.weight:.3f}"
        )


def spread_labels(
    dataset: Dataset,
    pool: Pool,
    table: pa.Table,
    classes: list[str],
    clusters: np.ndarray,
    centres: np.ndarray,
    answered: np.ndarray,
) -> tuple[pa.Table, Spread]:
    """The labels table of people with propagated labels beside theirs, and what was spread.

    pool: rows of the train split; clusters: (n,) of its images, around centres (clusters, features); answered:
    positions of which people said anything, a class or not, beside the labelled ones: they get no label.
    """
    rows, labels = labelled(dataset, table, classes, TRAIN)
    held, held_labels = labelled(dataset, table, classes, VALIDATION)
    positions = np.searchsorted(pool.rows, rows)
    allowed = np.ones(len(pool), bool)
    allowed[positions] = allowed[answered] = False
    beside = np.asarray(pool.vectors[held], np.float32)
    spread = propagate(
        pool,
        Labelled(pool.take(positions), labels, clusters[positions]),
        clusters,
        allowed,
        Labelled(beside, held_labels, nearest_centre(beside, centres)),
    )
    names = [classes[label] for label in spread.labels.tolist()]
    return with_propagated(table, dataset, pool.rows[spread.positions], names, spread.weight), spread


def propagate(pool: Pool, known: Labelled, clusters: np.ndarray, allowed: np.ndarray, held: Labelled) -> Spread:
    """Labels for images of the pool that lie in the cluster of the nearest labelled image, no farther from it than the
    bound, and whose AGREEING nearest labelled images are of one class.

    known: the images labelled for training; clusters: (n,) of the pool; allowed: boolean (n,), the images of the train
    split that may get a label, as those that nobody answered about; held: the validation labels, perhaps none, with
    the clusters that these images would be of. They help to find the bound and never get or give a label. By blocks;
    equal labels at any number of threads.
    """
    with threadpool_limits(1):
        left_out = guess(known.vectors, known.clusters, known, themselves=True)
        others = guess(held.vectors, held.clusters, known)
    said = np.concatenate([left_out.labels, others.labels])
    right = said == np.concatenate([known.labels, held.labels])
    distance = np.concatenate([left_out.distance, others.distance])
    bound, precision = learned_bound(distance[said >= 0], right[said >= 0])
    near = (said >= 0) & ((distance <= bound) | (precision == 0))
    checked, correct = int(near.sum()), int((near & right).sum())
    if not precision:
        return Spread(np.empty(0, np.int64), np.empty(0, np.int64), 0.0, bound, checked, correct)
    positions = np.flatnonzero(allowed)
    size = max(1, min(BLOCK, AT_ONCE // len(known.labels)))
    parts = [positions[span] for span in spans(len(positions), size)]
    with workers(pool.threads) as each:
        guesses = list(each(lambda part: guess(pool.take(part), clusters[part], known), parts))
    labels = np.concatenate([np.where(each.distance <= bound, each.labels, -1) for each in guesses] or [positions])
    kept = labels >= 0
    return Spread(positions[kept], labels[kept].astype(np.int64), precision, bound, checked, correct)


def guess(x: np.ndarray, clusters: np.ndarray, known: Labelled, themselves: bool = False) -> Guessed:
    """What the nearest labelled images say of each of x, (n, features) with clusters (n,).

    themselves: x are the labelled images, each of which is left out where its own label is guessed. Where several are
    equally far, all of them must agree; of equally near ones the first names the cluster.
    """
    if len(known.labels) < AGREEING + themselves or not len(x):
        return Guessed(np.full(len(x), -1), np.full(len(x), np.inf, np.float32))
    x, y = np.asarray(x, np.float32), np.asarray(known.vectors, np.float32)
    apart = squared(x, y)
    if themselves:
        np.fill_diagonal(apart, np.inf)
    nearest = apart.argmin(axis=1)
    near = apart <= np.partition(apart, AGREEING - 1, axis=1)[:, AGREEING - 1 : AGREEING]
    said = known.labels[nearest]
    agreed = ~(near & (known.labels != said[:, None])).any(axis=1) & (known.clusters[nearest] == clusters)
    return Guessed(np.where(agreed, said, -1), np.sqrt(apart[np.arange(len(x)), nearest]))


def nearest_centre(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The cluster whose centre is nearest to each of x, (n, features); of equally near ones the first."""
    with threadpool_limits(1):
        return (squares(centres) / 2 - x @ centres.T).argmin(axis=1)


def learned_bound(distance: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """The largest distance up to which guesses are right often enough, and how often: their precision by Laplace's rule
    of succession, (right + 1) / (guesses + 2), which is below 1 and asks for eight guesses before it says PRECISION.

    distance, right: (n,) of held-out guesses. (0, 0) where no distance will do.
    """
    order = np.argsort(distance, kind="stable")
    precision = (np.cumsum(right[order]) + 1) / (np.arange(len(order)) + 3)
    last = np.append(distance[order][1:] != distance[order][:-1], True)[: len(order)]  # of those equally far
    enough = np.flatnonzero((precision >= PRECISION) & last)
    if not len(enough):
        return 0.0, 0.0
    return float(distance[order][enough[-1]]), float(precision[enough[-1]])


def with_propagated(
    labels: pa.Table, dataset: Dataset, rows: np.ndarray, names: Sequence[str], weight: float
) -> pa.Table:
    """The labels table with propagated labels beside people's, in the order of the index.

    rows: of the dataset, in its train split and without a label; names: the class of each.
    """
    ids, splits = dataset.column("id"), dataset.column("split")
    row_of = {image: row for row, image in enumerate(ids)}
    labelled = {row_of[image] for image in labels.column("id").to_pylist()}
    if wrong := [int(row) for row in rows if splits[row] != TRAIN or row in labelled]:
        raise ValueError(f"rows {wrong[:10]} are held out or have a label, and cannot get one from neighbours")
    whose = {"purpose": TRAIN, "source": PROPAGATED, "annotator": ANNOTATOR, "time": None, "weight": weight}
    added = [{"id": ids[row], "label": name, **whose} for row, name in zip(rows, names, strict=True)]
    table = pa.concat_tables([labels.cast(LABELS), pa.Table.from_pylist(added, schema=LABELS)])
    return table.take(np.argsort([row_of[image] for image in table.column("id").to_pylist()], kind="stable"))
