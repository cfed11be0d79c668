"""Which versions of datasets hold an image, and which releases learned from it, by digests alone.

A lookup costs the names of all objects under `datasets/` and `releases/`, release.json and labels.parquet of each
release, and of each version's index.parquet the end and the part that may hold the image, as ids stand in order. Labels
are verified by their digest; an index is not, which would cost reading all of it (`gleaner release verify` does).

With 3 versions of a million images and 50 releases of 10,000 labels on an S3 server of the same machine, `gleaner
lineage IMAGE --releases` takes 2.6 s ± 0.5 (n=5, its start included) and 0.31 GB, on 2 cores that were not idle (Intel
Xeon, `python -m tests.bench lineage`).
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from components.common.artifacts import PROPAGATED, SPLITS, TRAIN
from components.common.errors import BadInputError
from components.common.forgotten import forgotten_ids, replaced
from components.common.parquet import read_table
from components.common.storage import Store
from components.lineage.reading.columns import in_readers
from components.lineage.versions import Held, held_by, versions_of
from components.releases.bundle import verified_file, verified_release

LABELLED = "labelled"  # its own label taught the model
UNLABELLED = "unlabelled"  # pretraining saw it, and pseudo-labels may have been made of it
HELD_OUT = "held out"  # in the dataset, and neither taught nor measured
UNKNOWN = "unknown"
HOW = (LABELLED, PROPAGATED, UNLABELLED, *SPLITS[1:], HELD_OUT, UNKNOWN)
"""What an image was to a release. PROPAGATED: it learned a label that near neighbours gave. With the label of an image
that was held out, `validation` chose among the model's states, `calibration` fitted temperature and thresholds, and
`test` only measured."""
MEANS = {
    LABELLED: "learned from its label",
    PROPAGATED: "learned a label that its neighbours gave",
    UNLABELLED: "learned from it without a label",
    SPLITS[1]: "its label chose among states of the model",
    SPLITS[2]: "its label fitted confidence and thresholds",
    SPLITS[3]: "its label measured, and taught nothing",
    HELD_OUT: "held out, neither learned from nor measured by",
    UNKNOWN: "nobody can say",
}
"""The same in words."""
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
    label: str = ""  # that the release has of it
    by: str = ""  # who gave that
    dataset: str = ""  # id of the version that the release is made of

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
    return releases_of_all(store, [id])[id]


def releases_of_all(store: Store, ids: Sequence[str]) -> dict[str, list[Learned]]:
    """The same of several images, by id, at little more than the cost of one."""
    versions = versions_of(store)
    there = {(one.name, one.version) for one in versions}
    gone = forgotten_ids(store)
    held = {(one.dataset, one.version, one.id): one for one in held_by(store, versions, ids)}

    def look(which: tuple[str, str, str]) -> list[Learned | None]:
        model, version, folder = which
        try:
            release = verified_release(store, folder)
            labels = read_labels(store, folder, release)
        except BadInputError as error:
            return [Learned(model, version, UNKNOWN, str(error)) for _ in ids]
        given = given_in(labels, ids)
        name, made_of = release.get("dataset_name", ""), release.get("digests", {}).get("dataset", "")
        anew = replaced(store, name, made_of) if (name, made_of) not in there else None
        dataset = anew.now if anew else made_of  # the same but for images that were forgotten
        return [
            Learned(model, version, how_of(row), "", row["label"], row["annotator"] or row["source"], dataset)
            if (row := given.get(image))
            else Learned(model, version, UNKNOWN, f"the image was forgotten: its dataset {made_of[:12]} {anew.told()}")
            if anew and image in gone
            else _without_label(
                model, version, name, dataset, (name, dataset) in there, held.get((name, dataset, image))
            )
            for image in ids
        ]

    told = in_readers(look, releases_in(store))
    return {image: [some[place] for some in told if some[place]] for place, image in enumerate(ids)}  # type: ignore[misc]


def releases_in(store: Store) -> list[tuple[str, str, str]]:
    """Model, version and folder (it ends in a slash) of every release, by model and version."""
    matches = (RELEASE.fullmatch(stat.key) for stat in store.list("releases/"))
    return sorted((match["model"], match["version"], match["folder"]) for match in matches if match)


def read_labels(store: Store, folder: str, release: dict[str, Any]) -> pa.Table:
    """The labels that a release learned from and was measured by, as it holds them; BadInputError where it has none."""
    if TABLE not in release["files"]:
        raise BadInputError(f"{store.uri}/{folder}release.json: lists no {TABLE}, so nobody knows its labels")
    return read_table(verified_file(store, folder, release, TABLE))


def given_in(labels: pa.Table, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Rows of a release's labels about these images, by id."""
    rows = labels.filter(pc.is_in(labels["id"], pa.array(ids, pa.string())))
    return {row["id"]: row for row in rows.to_pylist()}


def how_of(row: dict[str, Any]) -> str:
    """What an image was to a release that has this label of it, as HOW says."""
    if row["purpose"] != TRAIN:
        return str(row["purpose"])
    return PROPAGATED if row["source"] == PROPAGATED else LABELLED


def _without_label(
    model: str, version: str, name: str, dataset: str, is_there: bool, held: Held | None
) -> Learned | None:
    """What an image was to a release that has no label of it. name, dataset, is_there: what it is made of."""
    if not is_there:
        which = " ".join(filter(None, ["dataset", name, dataset[:12]]))
        return Learned(
            model, version, UNKNOWN, f"its {which} is not in the store any more; it has no label of the image"
        )
    if held is None:
        return None
    return Learned(model, version, UNLABELLED if held.split == TRAIN else HELD_OUT, dataset=dataset)
