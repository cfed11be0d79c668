"""Which versions of datasets hold an image, and which releases learned from it, by digests alone.

A lookup costs the names of all objects under `datasets/` and `releases/`, release.json and labels.parquet of each
release, and of each version's index.parquet the end and the part that may hold the image, as ids stand in order. Labels
are verified by their digest; an index is not, which would cost reading all of it (`gleaner release verify` does).
"""

import re
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from components.common.artifacts import PROPAGATED, SPLITS, TRAIN
from components.common.errors import BadInputError
from components.common.parquet import read_table
from components.common.storage import Store
from components.lineage.versions import Held, held_by, in_readers, versions_of
from components.releases.bundle import verified_file, verified_release

LABELLED = "labelled"  # its own label taught the model
UNLABELLED = "unlabelled"  # pretraining saw it, and pseudo-labels may have been made of it
HELD_OUT = "held out"  # in the dataset, and neither taught nor measured
UNKNOWN = "unknown"
HOW = (LABELLED, PROPAGATED, UNLABELLED, *SPLITS[1:], HELD_OUT, UNKNOWN)
"""What an image was to a release. PROPAGATED: it learned a label that near neighbours gave. With the label of a held-out
image, `validation` chose among the states of the model, `calibration` fitted temperature and thresholds, `test` only
measured."""
LEARNED = (LABELLED, PROPAGATED, UNLABELLED, *SPLITS[1:3])
"""After which of these a release would be another one without the image."""

RELEASE = re.compile(r"(?P<folder>releases/(?P<model>[^/]+)/(?P<version>[^/]+)/)release\.json")
TABLE = "labels.parquet"


class Learned(NamedTuple):
    """What an image was to a release."""

    model: str
    version: str
    how: str  # one of HOW
    why: str = ""  # what is not known, in a sentence

    @property
    def learned(self) -> bool | None:
        """Whether the release would be another one without the image; None where nobody knows."""
        return None if self.how == UNKNOWN else self.how in LEARNED


def datasets_of(store: Store, id: str) -> list[Held]:  # noqa: A002 (what an image's digest is called everywhere)
    """The versions of datasets that hold an image, by name, the oldest first."""
    return held_by(store, versions_of(store), [id])


def releases_of(store: Store, id: str) -> list[Learned]:  # noqa: A002
    """The releases that have to do with an image, by model and version.

    Those that have nothing to do with it are left out; those of which nobody can say are UNKNOWN, with the reason.
    """
    versions = versions_of(store)
    there = {(one.name, one.version) for one in versions}
    held = {(one.dataset, one.version): one for one in held_by(store, versions, [id])}
    found = in_readers(lambda which: _learned(store, id, there, held, *which), releases_in(store))
    return [one for one in found if one is not None]


def releases_in(store: Store) -> list[tuple[str, str, str]]:
    """Model, version and folder (it ends in a slash) of every release, by model and version."""
    matches = (RELEASE.fullmatch(stat.key) for stat in store.list("releases/"))
    return sorted((match["model"], match["version"], match["folder"]) for match in matches if match)


def _learned(
    store: Store,
    image: str,
    there: set[tuple[str, str]],
    held: dict[tuple[str, str], Held],
    model: str,
    version: str,
    folder: str,
) -> Learned | None:
    """there: versions of datasets; held: those that hold the image."""
    try:
        release = verified_release(store, folder)
        given = label_in(read_labels(store, folder, release), image)
    except BadInputError as error:
        return Learned(model, version, UNKNOWN, str(error))
    if given:
        return Learned(model, version, given)
    name, dataset = release.get("dataset_name"), release.get("digests", {}).get("dataset")
    if name is None or (name, dataset) not in there:
        what = f"its dataset {name or ''} {str(dataset)[:12]}".replace("  ", " ")
        return Learned(model, version, UNKNOWN, f"{what} is not in the store any more; it had no label of the image")
    at = held.get((name, dataset))
    return Learned(model, version, UNLABELLED if at.split == TRAIN else HELD_OUT) if at else None


def read_labels(store: Store, folder: str, release: dict[str, Any]) -> pa.Table:
    """The labels that a release learned from and was measured by, as it holds them; BadInputError where it has none."""
    if TABLE not in release["files"]:
        raise BadInputError(f"{store.uri}/{folder}release.json: lists no {TABLE}, so nobody knows its labels")
    return read_table(verified_file(store, folder, release, TABLE))


def label_in(labels: pa.Table, image: str) -> str:
    """What the label of an image was for, as HOW says; empty where it has none."""
    row = pc.index(labels["id"], image).as_py()
    if row < 0:
        return ""
    purpose, source = labels["purpose"][row].as_py(), labels["source"][row].as_py()
    return purpose if purpose != TRAIN else PROPAGATED if source == PROPAGATED else LABELLED
