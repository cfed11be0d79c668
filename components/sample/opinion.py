"""Training picks that a second opinion asks for: images on which an ensemble surely disagreed with the last model."""

from collections.abc import Collection

import pyarrow as pa

from components.common.artifacts import TRAIN, Dataset
from components.sample.picks import Pick
from components.sample.pools import groups
from components.sample.strategies.pool import Pool


def offered(dataset: Dataset, opinion: pa.Table, pool: Pool, answered: Collection[int], most: int) -> list[Pick]:
    """At most so many picks, in the order of the opinion: images of the pool that nobody answered about, and of
    near-duplicates of such or of each other none.

    opinion: opinion.parquet of evaluate; answered: rows.
    """
    row_of = {image: row for row, image in zip(pool.rows.tolist(), dataset.column("id")[pool.rows], strict=True)}
    group = groups(dataset)
    taken = {int(group[row]) for row in answered}
    picks: list[Pick] = []
    for line in opinion.to_pylist():
        row = row_of.get(line["id"])
        if len(picks) >= most or not line["disagrees"]:
            break
        if row is None or int(group[row]) in taken:
            continue
        taken.add(int(group[row]))
        picks.append(Pick(row, TRAIN, reason(line)))
    return picks


def reason(line: dict[str, object]) -> str:
    """Why an image is asked about, in words."""
    return (
        f"second opinion: {line['opinion']} ({100 * float(str(line['opinion_confidence'])):.0f} %), "
        f"where the model says {line['predicted']} ({100 * float(str(line['confidence'])):.0f} %)"
    )
