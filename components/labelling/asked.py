"""What a round asks: its picks in their order, the clusters of the training pool, and the images themselves."""

import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from components.common.artifacts import TRAIN, Dataset, load_dataset
from components.common.data.reader import ShardReader
from components.common.errors import BadInputError
from components.common.lineage import fetch_dataset
from components.common.storage import Store
from components.labelling.audited import AUDIT, NOTHING, Audited
from components.labels.candidates import Candidates, newest_candidates


class Pick(NamedTuple):
    """A line of CANDIDATES."""

    id: str
    rank: int
    purpose: str
    reason: str
    nearest: str | None
    cluster: int
    label: str | None


@dataclass(frozen=True)
class Asked:
    """Read-only: several requests use it at once."""

    candidates: Candidates
    dataset: Dataset
    reader: ShardReader
    picks: dict[str, Pick]  # by id, in the order in which they are asked
    clusters: pa.Table = field(repr=False)  # CLUSTERS
    audited: Audited = field(repr=False, default=NOTHING)

    @property
    def round(self) -> int:
        return self.candidates.round

    @cached_property
    def _ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids of the dataset, sorted, as bytes (a tenth of what strings take), and their rows."""
        ids = self.dataset.column("id").astype("S64")
        rows = np.argsort(ids, kind="stable")
        return ids[rows], rows

    @cached_property
    def _splits(self) -> np.ndarray:
        return self.dataset.column("split")

    def row(self, image: str) -> int | None:
        """The row of an image in the index; None where the dataset has no such image."""
        ids, rows = self._ids
        try:
            place = int(np.searchsorted(ids, image.encode("ascii")))
        except UnicodeEncodeError:
            return None
        return int(rows[place]) if place < len(ids) and ids[place].decode() == image else None

    @cached_property
    def all_picks(self) -> dict[str, Pick]:
        """With the images of the audit, which come first and are picks of that purpose alone."""
        if not self.audited.images:
            return self.picks
        ranks = enumerate(self.audited.images, start=1)
        audit = {image: Pick(image, rank, AUDIT, "", None, -1, None) for rank, image in ranks}
        return {**audit, **{image: pick for image, pick in self.picks.items() if image not in audit}}

    def size(self, image: str) -> tuple[int, int] | None:
        """Width and height in pixels; None where there is no such image."""
        row = self.row(image)
        if row is None:
            return self.audited.sizes.get(image)
        width, height = (int(self.dataset.index.column(name)[row].as_py()) for name in ("width", "height"))
        return width, height

    def data(self, image: str) -> bytes:
        """The image as a PNG or JPEG; `size` knows whether there is one."""
        row = self.row(image)
        return (self.audited.images.get(image) or b"") if row is None else self.reader.image_bytes(row)

    def is_training(self, image: str) -> bool:
        row = self.row(image)
        return row is not None and self._splits[row] == TRAIN

    @cached_property
    def sizes(self) -> np.ndarray:
        """Images of each cluster."""
        found = self.clusters.column("cluster").to_numpy()
        return np.bincount(found[found >= 0]) if len(found) else np.zeros(0, np.int64)

    @cached_property
    def cluster_order(self) -> list[int]:
        """Clusters as they are to be labelled: those of the picks by rank, then the others, largest first."""
        picked = [pick.cluster for pick in self.picks.values() if pick.purpose == TRAIN and pick.cluster >= 0]
        rest = np.argsort(-self.sizes, kind="stable").tolist()
        return [cluster for cluster in dict.fromkeys([*picked, *rest]) if self.sizes[cluster]]

    @cached_property
    def _by_cluster(self) -> tuple[np.ndarray, np.ndarray]:
        """Lines of the clusters' table, by cluster and within it by distance to the centre; and where each begins."""
        cluster = self.clusters.column("cluster").to_numpy()
        distance = self.clusters.column("distance").to_numpy(zero_copy_only=False)
        order = np.lexsort((distance, cluster))
        return order, np.searchsorted(cluster[order], np.arange(len(self.sizes) + 1))

    def members(self, cluster: int) -> list[str]:
        """Images of a cluster, the most typical first."""
        order, begins = self._by_cluster
        lines = order[begins[cluster] : begins[cluster + 1]]
        return self.clusters.column("id").take(pa.array(lines)).to_pylist()


def read_asked(store: Store, candidates: Candidates) -> Asked:
    about = candidates.about["dataset"]
    with tempfile.TemporaryDirectory(prefix="gleaner-") as scratch:
        fetch_dataset(about["name"], about["id"], store, Path(scratch) / "dataset")
        dataset = load_dataset(Path(scratch) / "dataset")
    picks = {row["id"]: Pick(**row) for row in candidates.picks().to_pylist()}
    return Asked(candidates, dataset, ShardReader(dataset, store), picks, candidates.clusters())


def newest_asked(store: Store, name: str) -> Asked:
    """What the newest candidates of a name ask. Raises BadInputError where nobody was asked yet."""
    candidates = newest_candidates(store, name)
    if candidates is None:
        raise BadInputError(
            f"{store.uri}/candidates/{name}/: no candidates to label; expected those of a run with "
            "sample.label_access: store; start one with `gleaner run`"
        )
    return read_asked(store, candidates)
