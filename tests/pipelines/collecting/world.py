"""A store as ingests, trainings and people leave it, kept in a folder or on S3, with objects of any age."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from components.common.files import sha256_bytes
from components.common.storage import FolderStore, Stat, Store, collection, open_store
from pipelines.collecting.sweep import DAY, Found, Sweep

CANDIDATES = ("candidates/pets/aaaaaaaaaaaa", "candidates/pets/bbbbbbbbbbbb")  # the first is named by labels
EMBEDDINGS = f"embeddings/pets/dddddddddddd/0-256-{'d' * 64}.npy"
OTHERS = {  # beside datasets: key -> whether it is named
    "labels/pets/cccccccccccc/labels.json": True,
    "labels/pets/cccccccccccc/labels.parquet": True,
    "labels/pets/0001-0123456789abcdef.parquet": True,  # a batch of answers
    "labels/pets/renamings/0001.json": True,
    f"labels/pets/versions/{'3' * 64}.json": True,
    "rounds/pets/0001-0123456789ab.json": True,
    f"{CANDIDATES[0]}/candidates.csv": True,
    f"{CANDIDATES[1]}/candidates.csv": False,
    f"{CANDIDATES[1]}/contact_sheet.html": False,
    EMBEDDINGS: False,
    f"checkpoints/pretrain/{'1' * 64}.safetensors": False,
    "jobs/pretrain/222222222222-a-b/encoder/manifest.json": False,
    "releases/pets/0123456789abcdef/release.json": True,
    "releases/pets/champion.json": True,
    "photos/cat/1.png": True,  # somebody else's
    "datasets/readme.txt": True,
    "datasets/pets/shards/notes.txt": True,
}


class Proxy:
    """A store that calls `before` with each request's name and arguments."""

    def __init__(self, store: Store, before: Callable[[str, tuple[Any, ...]], None]) -> None:
        self.store = store
        self.before = before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if not callable(found):
            return found

        def call(*arguments: Any) -> Any:
            self.before(name, arguments)
            return found(*arguments)

        return call


class Aged(Proxy):
    """A store whose objects seem 60 days older than they are, where they were written until `then`: no S3 server lets
    a client choose their time.
    """

    def __init__(self, store: Store, then: float) -> None:
        super().__init__(store, lambda name, arguments: None)
        self.then = then

    def list(self, prefix: str = "") -> Iterator[Stat]:
        return map(self._aged, self.store.list(prefix))

    def stat(self, key: str) -> Stat | None:
        stat = self.store.stat(key)
        return stat and self._aged(stat)

    def _aged(self, stat: Stat) -> Stat:
        return stat._replace(modified=stat.modified - 60 * DAY) if stat.modified <= self.then else stat


def make_old(store: Store, some: Iterable[str] | None = None, days: float = 60) -> Any:
    """The same store, in which all that it holds now, or `some` of it in a folder, is old."""
    if isinstance(store, FolderStore):
        then = time.time() - days * DAY
        for key in some if some is not None else [stat.key for stat in store.list()]:
            os.utime(store.root / key, (then, then))
        return store
    assert some is None
    newest = max(stat.modified for stat in store.list())
    while store.now() <= newest:  # S3 tells whole seconds
        time.sleep(0.1)
    return Aged(store, newest)


def add_others(store: Store, dataset: str = "") -> None:
    """What OTHERS names; the release is made of a dataset of that id."""
    for key in OTHERS:
        store.write(key, json.dumps({"digests": {"dataset": dataset}, "candidates": CANDIDATES[0]}).encode())


def sweep(store: Any, days: float = 14, versions: int | None = None, runs: Iterable[str] = ()) -> list[Found]:
    """What may go, removed."""
    with collection(store) as one:
        return list(Sweep(store, days, versions, set(runs)).remove(one))


def contents(store: Any) -> dict[str, str]:
    return {stat.key: sha256_bytes(store.read(stat.key)) for stat in store.list()}


def named_is_there(store: Any) -> None:
    """What every pointer and every version names can be read."""
    keys = {stat.key for stat in store.list()}
    for key in keys:
        if key.endswith("/latest.json"):
            assert f"{key.rpartition('/')[0]}/{json.loads(store.read(key))['id']}/dataset.json" in keys
        if key.endswith("/dataset.json"):
            about = json.loads(store.read(key))
            assert f"{key.rpartition('/')[0]}/index.parquet" in keys
            for shard in about["shards"] + about["thumbnails"]:
                assert sha256_bytes(store.read(shard["key"])) == shard["sha256"]
            assert all(shard["key"].replace(".tar", ".idx") in keys for shard in about["shards"])


def opened(uri: str | Path) -> Store:
    return open_store(str(uri))
