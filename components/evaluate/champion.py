"""The champion that a new model is compared with: a release, verified, and run without knowing its network."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.common.artifacts import TRAIN, Dataset
from components.common.errors import BadInputError
from components.common.parquet import read_table
from components.common.storage import IntegrityError, open_store
from components.releases.bundle import CHANGED, verified_file
from components.releases.model import ReleasedModel, load_release

LEARNED_FROM = "labels.parquet"


@dataclass(frozen=True)
class Champion:
    version: str
    model: ReleasedModel | None  # None where it cannot be compared
    why: str  # it cannot, in a sentence; else empty
    taught: frozenset[str] | None = None  # ids of the images that it learned from with a label; None where unknown

    @property
    def about(self) -> dict[str, Any]:
        """Its release.json; empty where it cannot be compared."""
        return self.model.about if self.model else {}

    @property
    def classes(self) -> list[str]:
        """All that it was asked to tell apart, those too that it had no training label of."""
        return sorted({*self.about.get("classes", []), *self.about.get("unlabelled_classes", [])})

    @property
    def dataset(self) -> str:
        """Id of the dataset that it learned from; empty where that is not known."""
        return self.about.get("digests", {}).get("dataset", "")

    @property
    def weights(self) -> str:
        """sha256 of its weights."""
        return self.about.get("files", {}).get("classifier.safetensors", {}).get("sha256", "")

    def seen(self, data: Dataset, rows: np.ndarray) -> np.ndarray:
        """Which rows are images that it learned from with a label, or near-duplicates of one, boolean (rows,)."""
        groups = data.column("group")
        taught = {group for image, group in zip(data.column("id"), groups, strict=True) if image in (self.taught or ())}
        return np.array([group in taught for group in groups[rows]], bool)


def load_champion(store: str, name: str, version: str, threads: int) -> Champion | None:
    """The champion of that version of model `name`; None where `version` is empty, since there is none yet.

    One that is gone, or was made by a version of Gleaner that exported no ONNX file, cannot be compared, and says so.
    Raises IntegrityError where a byte of it was changed.
    """
    if not version:
        return None
    place = f"{store.rstrip('/')}/releases/{name}/{version}"
    try:
        model = load_release(place, threads)
    except IntegrityError:
        raise
    except BadInputError as error:
        said = str(error).replace(f"{open_store(store).uri}/", "")  # where the store lies is in no artifact
        return Champion(version, None, f"cannot be compared: {said}")
    if model.version != version:
        raise IntegrityError(f"{place}/release.json: expected version {version}, found {model.version}; {CHANGED}")
    return Champion(version, model, "", _taught(place, model.about))


def _taught(place: str, about: dict[str, Any]) -> frozenset[str] | None:
    """Ids of the images that a release learned from with a label; None where it holds no labels."""
    if LEARNED_FROM not in about["files"]:
        return None
    table = read_table(verified_file(open_store(place), "", about, LEARNED_FROM)).select(["id", "purpose"])
    rows = zip(table.column("id").to_pylist(), table.column("purpose").to_pylist(), strict=True)
    return frozenset(image for image, purpose in rows if purpose == TRAIN)
