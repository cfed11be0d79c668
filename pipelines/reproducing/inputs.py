"""What a release was made from, in a store of its own, so that nothing in the release's store changes or helps."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from components.common.errors import BadInputError
from components.common.files import read_json
from components.common.forgotten import replaced
from components.common.storage import FolderStore, Store, open_store
from components.releases.bundle import FORMAT, find, locate, store_of, verified_file, verified_release

LABELS = ("labels.parquet", "labels.json", "label_advice.json")


class Inputs(NamedTuple):
    """A release and what a run of its stages reads, as folders."""

    release: dict[str, Any]  # release.json
    bundle: Path  # its files, each verified
    labels: Path
    dataset: Path
    store: Path


def gathered(place: str, store: str | None, folder: Path) -> Inputs:
    """Copy what the release at `place` was made from into a folder. store: where its dataset is; None for the store
    that it lies in.

    Raises BadInputError where the release does not say what it was made from, or that is gone.
    """
    found = open_store(locate(place))
    key, release = find(found)
    if release["format"] < FORMAT or not release["run"]["settings"]:
        raise BadInputError(
            f"{found.uri}/{key}release.json: does not say with which settings it was made, as of earlier versions of "
            "Gleaner or of a stage that was started by hand; only a release of `gleaner run` or `gleaner submit` can "
            "be made again"
        )
    root = store or store_of(f"{found.uri}/{key}", release)
    if root is None:
        raise BadInputError(
            f"{found.uri}/{key}: lies outside of a store; name the store of its dataset by --store or -c"
        )
    inputs = Inputs(release, folder / "released", folder / "labels", folder / "dataset", folder / "store")
    for path in (inputs.bundle, inputs.labels, inputs.dataset):
        path.mkdir(parents=True)
    for name in release["files"]:
        data = verified_file(found, key, release, name)
        (inputs.bundle / name).write_bytes(data)
        if name in LABELS:
            (inputs.labels / name).write_bytes(data)
    _copy_store(open_store(root), inputs)
    return inputs


def _copy_store(source: Store, inputs: Inputs) -> None:
    """The version of the dataset and its shards, the candidates and the record of the round before, and the champion
    that the model was compared with.
    """
    target = FolderStore(inputs.store)
    release = inputs.release
    version = f"datasets/{release['dataset_name']}/{release['digests']['dataset']}/"
    copied = _copy(source, target, version)
    if f"{version}dataset.json" not in copied:
        if anew := replaced(source, release["dataset_name"], release["digests"]["dataset"]):
            raise BadInputError(
                f"{source.uri}/{version}: {anew.told()}; what a release learned from them cannot be made again, only "
                "without them, by gleaner run"
            )
        raise BadInputError(
            f"{source.uri}/{version}dataset.json: is gone, and the release was made from it; restore it, or ingest the "
            "same source again, which makes the same version"
        )
    for key in copied:
        shutil.copyfile(inputs.store / key, inputs.dataset / key.removeprefix(version))
    for shard in read_json(inputs.dataset / "dataset.json")["shards"]:
        path = source.local(shard["key"], shard["sha256"], shard["size"])
        target.upload(shard["key"], path)
        source.let_go(path)
        _copy(source, target, shard["key"].removesuffix(".tar") + ".idx")
    for prefix in _looked_up(inputs, source):
        _copy(source, target, prefix)


def _looked_up(inputs: Inputs, source: Store) -> Iterator[str]:
    """Keys, or prefixes of keys, of what evaluate looks up in the store where it is there: the champion, the index of
    what it learned from, and the look that raised the newest alarm.
    """
    settings = json.loads((inputs.bundle / "metrics.json").read_bytes())["provenance"]["evaluate"]["settings"]
    yield read_json(inputs.labels / "labels.json")["candidates"].rstrip("/") + "/"
    if settings.get("since"):
        yield settings["since"]
    if settings.get("present"):
        yield settings["present"].removesuffix(".json")
    if champion := inputs.release["compared_with"]:
        folder = f"releases/{inputs.release['model']}/{champion}/"
        yield folder
        about = verified_release(source, folder) if source.stat(f"{folder}release.json") is not None else {}
        if learned_from := about.get("digests", {}).get("dataset"):
            yield f"datasets/{inputs.release['dataset_name']}/{learned_from}/"


def _copy(source: Store, target: Store, prefix: str) -> list[str]:
    """Copy the objects whose key starts with `prefix`; returns their keys."""
    keys = [stat.key for stat in source.list(prefix)]
    for key in keys:
        target.write(key, source.read(key))
    return keys
