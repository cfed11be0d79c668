"""Held-out draws among images that came after a version of the dataset, beside those among all images."""

from collections.abc import Collection
from math import ceil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common import draws
from components.common.artifacts import TRAIN, Dataset
from components.common.lineage import came_after
from components.common.storage import Store
from components.sample.picks import Pick, budgets, held_out_picks, in_line
from components.sample.settings import SampleSettings


def all_held_out(
    dataset: Dataset, settings: SampleSettings, seed: int, passed: Collection[int], store: Store
) -> list[Pick]:
    """All held-out picks: those of a draw among all images of a split, and beside them those of draws among newer ones.

    The rule. Each image has its place in a line, by seed and id: no model, label or date has a say in it.

    1. Of each held-out split the first of the line are drawn, as many as the budget says (`held_out_picks`). The line
       is that of the split as it is now: new images push in where chance puts them, so this draw always stands for the
       whole split, and holds new images by their share of it. What they push out counts no more; its label is kept.
    2. Where `new_since` names a version of the dataset, the first in line of the images that came after it are drawn
       too, `new_share` of the budget. Five hundred new images among ten thousand would give a draw of fifty two or
       three: too few to tell whether a model has learned what is new, and whether it does better there than the one in
       production. This draw is kept in the store (components/common/draws.py).
    3. What was drawn so in earlier runs stays drawn, in every run of that name, whether or not it asks for more: what
       people said of it counts in all of them.

    So a figure over a held-out split is of old and new images as they were drawn: among the newer ones, and among the
    others, each as likely as any other, but the newer ones at a higher rate.
    """
    picks = held_out_picks(dataset, settings, seed, passed)
    drawn = {pick.row for pick in picks}
    ids = dataset.column("id")
    newer: dict[str, list[int]] = {}
    if settings.new_since:
        newer = newest_in_line(dataset, settings, seed, passed, came_after(dataset, settings.new_since, store))
        asked = {split: [str(image) for image in ids[rows]] for split, rows in newer.items() if rows}
        if asked:
            draws.save(store, dataset.name, {"since": settings.new_since, "dataset": dataset.id, "images": asked})
    for split, rows in earlier(dataset, settings.draws, store).items():
        newer.setdefault(split, []).extend(row for row in rows if row not in passed)
    for split in budgets(settings):
        for row in dict.fromkeys(newer.get(split, ())):
            if row not in drawn:
                picks.append(Pick(row, split, f"random draw for {split}, among newer images"))
    return picks


def newest_in_line(
    dataset: Dataset, settings: SampleSettings, seed: int, passed: Collection[int], after: np.ndarray
) -> dict[str, list[int]]:
    """By split, the first in line among the rows `after`; this is told."""
    found = {}
    for split, budget in budgets(settings).items():
        line = in_line(dataset, np.intersect1d(dataset.rows(split), after), seed, passed)
        found[split] = line if budget is None else line[: ceil(settings.new_share * budget)]
    told = ", ".join(f"{len(rows):,} for {split}" for split, rows in found.items())
    why = f"of these are drawn {told}" if len(after) else "so none can be drawn; add what was served to the source"
    print(
        f"sample.new_since: {len(after):,} of {dataset.index.num_rows:,} images came after version "
        f"{settings.new_since[:12]}; {why}",
        flush=True,
    )
    return found


def earlier(dataset: Dataset, keys: Collection[str], store: Store) -> dict[str, list[int]]:
    """By split, the rows of images that earlier runs drew, as far as the dataset still holds them."""
    images = [image for key in keys for some in draws.load(store, key)["images"].values() for image in some]
    rows = np.flatnonzero(
        pc.is_in(dataset.index.column("id"), pa.array(images, pa.string())).to_numpy(zero_copy_only=False)
    )
    found: dict[str, list[int]] = {}
    for row, split in zip(rows.tolist(), dataset.column("split")[rows], strict=True):
        if split != TRAIN:
            found.setdefault(split, []).append(row)
    return found
