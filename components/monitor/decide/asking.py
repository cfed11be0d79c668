"""What a training run that an alarm starts asks people for: how many labels, of which images."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from components.common.answers import read_answers
from components.common.artifacts import TRAIN
from components.common.lineage import newest_dataset
from components.common.parquet import read_table
from components.common.storage import Store
from components.labels.images import Images
from components.labels.rules import MAJORITY, resolve
from components.labels.store import LabelStore
from components.monitor import looks
from components.monitor.training import Training
from components.releases.bundle import RELEASE, verified_release

CANDIDATES = "candidates.parquet"
PAID = "source"  # sample.label_access, where every label is paid for
LEAST = 2  # of sample.train_budget


class Asking(NamedTuple):
    """Labels that are asked for, and what of the run's configuration says so."""

    labels: int
    overrides: dict[str, Any]


def asking(store: Store, look: looks.Look, training: Training, most: int) -> Asking:
    """At most `most` training labels, of the images that the look names where it names any, beyond those that there
    are; and held-out draws of their own among images that came after the watched release learned.

    A source whose labels are all paid for is asked for none. An oracle answers about a run's own picks alone, so there
    they are not narrowed to the look's images: the run would forget all others.
    """
    since = learned_from(store, look, str(training.parameters["name"]))
    drawn = {"sample.new_since": since} if since else {}
    access = training.setting("sample", "label_access")
    if access == PAID:
        return Asking(0, drawn)
    named = candidates(store, look) if access != "oracle" else 0
    labels = min(most, named) if named else most
    overrides: dict[str, Any] = {"sample.train_budget": max(LEAST, there_are(store, training) + labels)}
    if named:
        overrides["sample.candidates_from"] = looks.place_of(store, look, CANDIDATES)
    return Asking(labels, overrides | drawn)


def learned_from(store: Store, look: looks.Look, name: str) -> str:
    """Id of the version of the dataset `name` that the watched release learned from; empty where the store has it no
    more, or never had.
    """
    folder = f"releases/{look['model']}/{look['version']}/"
    if store.stat(f"{folder}{RELEASE}") is None:
        return ""
    release = verified_release(store, folder)
    version = release["digests"]["dataset"]
    known = release["dataset_name"] == name and store.stat(f"datasets/{name}/{version}/dataset.json") is not None
    return version if known else ""


def candidates(store: Store, look: looks.Look) -> int:
    """Images that a look names as new."""
    if CANDIDATES not in look["files"]:
        return 0
    return read_table(looks.read_file(store, look, CANDIDATES)).num_rows


def there_are(store: Store, training: Training) -> int:
    """Training labels that the next run finds, as sample counts them: those that people disagree about too. Of an
    oracle: those that the last run had, at least what the configuration asks for.
    """
    name = str(training.parameters["name"])
    access, file = (training.setting("sample", key) for key in ("label_access", "labels_file"))
    if access == "store":
        rule = training.setting("sample", "contradictions") or MAJORITY
        found = resolve(LabelStore(store, name).read(), rule)
        return _training(store, name, [*found.held, *found.open])
    if access == "file" and file not in (None, "", "none"):
        return _training(store, name, [said.image for said in read_answers(str(file))[1]])
    return max(_last(store, name), int(training.setting("sample", "train_budget") or 0) if access == "oracle" else 0)


def _training(store: Store, name: str, ids: Iterable[str]) -> int:
    """How many of these images are in the training split of the newest dataset."""
    dataset = newest_dataset(name, store)
    if dataset is None:
        return 0
    return sum(split == TRAIN for split, _ in Images(dataset).about(dict.fromkeys(ids)).values())


def _last(store: Store, name: str) -> int:
    """Training labels of the last run that the store has."""
    records = [stat for stat in store.list(f"labels/{name}/") if stat.key.endswith("/labels.json")]
    if not records:
        return 0
    newest = max(records, key=lambda stat: (stat.modified, stat.key))
    return int(json.loads(store.read(newest.key))["counts"].get(TRAIN, 0))
