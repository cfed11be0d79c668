"""Find the dataset and the labels that a stage's inputs were made from, where no flag names them.

Encoder, embeddings, classifier and calibration record the dataset's name and id, and every version of a dataset lies in
the store; a classifier holds the labels that it learned from. So neither has to be handed to every stage.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from components.common.artifacts import Dataset, load_dataset, read_about
from components.common.attributes import FILE as ATTRIBUTES
from components.common.attributes import digest_of, load_attributes
from components.common.data.identity import id_of
from components.common.errors import BadInputError
from components.common.files import new_folder, read_json
from components.common.forgotten import replaced
from components.common.storage import IntegrityError, Store, open_store
from components.common.waiting import waiting_in

RECORDS = {  # input of a stage -> the file in it that says what it was made from, and who writes that
    "encoder": ("encoder.json", "pretrain"),
    "embeddings": ("embeddings.json", "sample"),
    "warm": ("classifier.json", "warmup"),
    "classifier": ("classifier.json", "warmup or pseudolabel"),
    "calibration": ("calibration.json", "calibrate"),
}
HOLD_LABELS = ("classifier", "warm")  # the first one given is read
FILES = ("dataset.json", "index.parquet")  # of a version, that stages read

REMEDY = "restore it, or remove {root}/ and start a run on the same source, which makes a version again"


def known_by_others(inputs: set[str]) -> set[str]:
    """Names among a stage's inputs that may be left out, because the other inputs tell them."""
    told = {"dataset": inputs & RECORDS.keys(), "labels": inputs & set(HOLD_LABELS)}
    return {name for name, others in told.items() if name in inputs and others}


@contextmanager
def complete(values: dict[str, Any], inputs: set[str]) -> Iterator[dict[str, Any]]:
    """`values` with a path for the dataset and for the labels where these are left out.

    values: arguments of a stage by name, paths being of this machine. inputs: names of its inputs. The dataset is
    fetched for the block; but where the run waits for labels it is not: no stage reads it then. Raises BadInputError
    where the inputs were made from different ones.
    """
    missing = inputs - values.keys()
    if not missing:
        yield values
        return
    given = {name: values[name] for name in inputs & values.keys()}
    found: dict[str, Path] = {}
    with tempfile.TemporaryDirectory(prefix="gleaner-") as scratch:
        if "dataset" in missing:
            found["dataset"] = Path(scratch) / "dataset"
        if "labels" in missing:
            found["labels"] = next(given[name] for name in HOLD_LABELS if name in given)
        if not waiting_in(*given.values()):
            about = {name: _agreed(given, name) for name in sorted(missing)}
            if "dataset" in missing:
                fetch_dataset(*_named(*about["dataset"]), open_store(values["store"]), found["dataset"])
        yield {**values, **found}


def fetch_dataset(name: str, version: str, store: Store, folder: Path) -> None:
    """Copy what stages read of one version from the store, verified by its id."""
    root = f"datasets/{name}/{version}"
    with new_folder(folder) as new:
        for file in FILES:
            _fetch(file, name, root, store, new)
        if "attributes" in _about(new):
            _fetch(ATTRIBUTES, name, root, store, new)
        try:
            found = _found(new)
        except (BadInputError, ValueError, KeyError, TypeError) as error:  # of pyarrow and json too
            found = f"nothing that can be read ({str(error).partition(chr(10))[0].replace(str(new), root)})"
        if found != version:
            raise IntegrityError(
                f"{store.uri}/{root}: expected dataset {name} of id {version}, found {found}; "
                f"{REMEDY.format(root=root)}"
            )


def came_after(dataset: Dataset, version: str, store: Store) -> np.ndarray:
    """Rows (ascending) of the images that an earlier version of the dataset does not hold.

    Where images of it were forgotten, it is the version that replaced it. Raises BadInputError where it is gone.
    """
    if anew := replaced(store, dataset.name, version):
        version = anew.now
    if not version:
        return np.arange(dataset.index.num_rows)
    if version == dataset.id:
        return np.empty(0, np.int64)
    before = dataset_version(dataset.name, version, store).index.column("id")
    return np.flatnonzero(~pc.is_in(dataset.index.column("id"), before).to_numpy(zero_copy_only=False))


def _fetch(file: str, name: str, root: str, store: Store, folder: Path) -> None:
    try:
        (folder / file).write_bytes(store.read(f"{root}/{file}"))
    except KeyError:
        if anew := replaced(store, name, root.rpartition("/")[2]):
            raise BadInputError(
                f"{store.uri}/{root}: {anew.told()}; start a run again, which makes all of it without them"
            ) from None
        raise BadInputError(
            f"{store.uri}/{root}/{file}: is gone, and the inputs were made from this version of dataset "
            f"{name}; {REMEDY.format(root=root)}"
        ) from None


def _about(folder: Path) -> dict[str, Any]:
    """dataset.json as it was fetched; empty where that is no object, which whoever verifies it says."""
    try:
        about = read_json(folder / "dataset.json")
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def _found(folder: Path) -> str:
    """The id that follows from the files in a folder."""
    data = load_dataset(folder)
    attributes = load_attributes(folder)
    return id_of(replace(data, attributes="" if attributes is None else digest_of(attributes)))


def newest_dataset(name: str, store: Store) -> Dataset | None:
    """The version that the pointer of a dataset names, verified; None where nothing was ingested under that name."""
    try:
        version = json.loads(store.read(f"datasets/{name}/latest.json"))["id"]
    except KeyError:
        return None
    return dataset_version(name, version, store)


def dataset_version(name: str, version: str, store: Store) -> Dataset:
    """A version of a dataset from the store, verified by its id; BadInputError where it is not there."""
    with tempfile.TemporaryDirectory(prefix="gleaner-") as scratch:
        fetch_dataset(name, version, store, Path(scratch) / "dataset")
        return load_dataset(Path(scratch) / "dataset")


def origins(folder: Path) -> dict[str, str]:
    """What an artifact records to be made from, for Kubeflow's UI: id of the dataset, sha256 of the labels."""
    for file, _ in RECORDS.values():
        if (folder / file).is_file():
            about = read_json(folder / file)  # of the stage that has just written it
            return {name: about[name] for name in ("dataset", "labels") if isinstance(about.get(name), str)}
    return {}


def _agreed(given: dict[str, Path], what: str) -> tuple[Path, dict[str, Any]]:
    """The first record that tells `what` (dataset or labels) its input was made from, and its file; those of the other
    inputs say the same.
    """
    records = [
        (given[name] / file, read_about(given[name], file, by)) for name, (file, by) in RECORDS.items() if name in given
    ]
    telling = [(path, about) for path, about in records if what in about] or records[:1]
    (first, known), *others = telling
    for path, about in others:
        if about[what] != known[what]:
            raise BadInputError(
                f"{path}: made from {what} {about[what][:12]}, but {first} from {known[what][:12]}; expected inputs of "
                "one run; run the stages between them again"
            )
    return first, known


def _named(path: Path, about: dict[str, Any]) -> tuple[str, str]:
    """Name and id of the dataset in a record."""
    if "dataset" not in about or "dataset_name" not in about:
        raise BadInputError(
            f"{path}: does not name the dataset that it was made from, as those of earlier versions; name the folder "
            "of the dataset with --dataset, or run the stage that made it again"
        )
    return about["dataset_name"], about["dataset"]
