"""What is known of each test image beside its label: columns of predictions.parquet, and the slices made of them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.common.artifacts import TRAIN, Dataset
from components.common.attributes import load_attributes
from components.common.errors import BadInputError
from components.common.lineage import came_after
from components.common.seeding import seeded
from components.common.storage import Store
from components.evaluate.measures.nearest import affordable, nearest
from components.evaluate.measures.slices import QUARTERS, quarters

OLD, NEW = "old", "new"


class Columns(NamedTuple):
    """Of each test image, arrays (images,)."""

    folder: np.ndarray  # of the source; without a last part that only repeats the class
    size: np.ndarray  # side in pixels of a square of as many, float64
    brightness: np.ndarray  # mean of the pixels, 0 to 1, float64
    distance: np.ndarray  # to the nearest training image, of embeddings of unit length, float64
    attributes: dict[str, np.ndarray]  # what the source's table says; None where it says nothing
    arrived: np.ndarray | None = None  # whether it is OLD or NEW to the champion

    def kinds(self) -> dict[str, np.ndarray]:
        """The name of each image's slice, by kind. A column called like another kind is told apart."""
        made = {name: quarters(numbers, QUARTERS[name]) for name, numbers in self.numbers().items()}
        kinds = {"folder": self.folder, **made, **({} if self.arrived is None else {"arrived": self.arrived})}
        return kinds | {f"{name} (column)" if name in kinds else name: v for name, v in self.attributes.items()}

    def numbers(self) -> dict[str, np.ndarray]:
        numbers = {"size": self.size, "brightness": self.brightness, "distance": self.distance}
        return {name: values for name, values in numbers.items() if not np.isnan(values).any()}


def columns_of(
    dataset: Path,
    data: Dataset,
    embeddings: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    brightness: np.ndarray,
    taught: np.ndarray,
    seed: int,
) -> Columns:
    """rows, labels, brightness: of the test images, labels by name; taught: rows with a training label."""
    pixels = data.column("width")[rows].astype(np.float64) * data.column("height")[rows]
    table = load_attributes(dataset)
    attributes = {}
    if table is not None:
        some = table.take(rows)
        attributes = {name: some.column(name).to_numpy(zero_copy_only=False) for name in some.column_names[1:]}
    near = training_images(data, taught, affordable(len(rows), embeddings.shape[1]), seed)
    return Columns(
        folders(data.column("source")[rows], labels),
        np.sqrt(pixels),
        brightness,
        nearest(embeddings[rows], embeddings[near]).astype(np.float64),
        attributes,
    )


def arrival(data: Dataset, rows: np.ndarray, champion: str, store: Store) -> np.ndarray | None:
    """For each of the rows whether its image is NEW, that is, came after `champion`, the version of the dataset
    that the champion learned from. None without one, or where it is this version, or gone.
    """
    if champion in ("", data.id):
        return None
    try:
        after = came_after(data, champion, store)
    except BadInputError:
        return None
    return np.where(np.isin(rows, after), NEW, OLD).astype(object)


def training_images(data: Dataset, taught: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Rows of the train split, ascending; of more than `most` those with a label (`taught`), and a random draw."""
    rows = data.rows(TRAIN)
    if len(rows) <= most:
        return rows
    order = seeded(seed, "nearest")[0].permutation(rows)
    return np.sort(order[np.argsort(~np.isin(order, taught), kind="stable")][:most])


def folders(sources: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Folder of each source; where folders are classes, the folder above: as a slice it would be the class again."""
    names = [source.rpartition("/")[0] for source in sources]
    if all(name.rpartition("/")[2] == label for name, label in zip(names, labels, strict=True)):
        names = [name.rpartition("/")[0] for name in names]
    return np.array(names, dtype=object)
