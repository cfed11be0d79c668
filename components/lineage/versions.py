"""The versions of datasets in a store, and images in them."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from components.common.storage import IntegrityError, Stat, Store
from components.lineage.columns import rows_of

FILES = re.compile(r"datasets/(?P<name>[^/]+)/(?P<version>[0-9a-f]{64})/(?P<file>dataset\.json|index\.parquet)")
COLUMNS = ("id", "split", "label", "group", "source", "shard")
READERS = 8  # objects that are read at a time

T = TypeVar("T")
R = TypeVar("R")


class Version(NamedTuple):
    """A version of a dataset that is whole."""

    name: str
    version: str
    index: Stat
    written: float  # when it became the newest, in seconds since 1970

    @property
    def folder(self) -> str:
        return f"datasets/{self.name}/{self.version}"


class Held(NamedTuple):
    """An image in one version of a dataset."""

    dataset: str
    version: str
    id: str
    split: str
    label: str | None  # what the source says
    group: str  # near-duplicates share it
    source: str  # path inside the source
    shard: int  # position in dataset.json's list


def versions_of(store: Store) -> list[Version]:
    """The versions of all datasets, by name, the oldest first.

    One without dataset.json is left out: it is being removed, or not yet published.
    """
    found: dict[tuple[str, str], dict[str, Stat]] = {}
    for stat in store.list("datasets/"):
        if match := FILES.fullmatch(stat.key):
            found.setdefault((match["name"], match["version"]), {})[match["file"]] = stat
    whole = [
        Version(*which, files["index.parquet"], files["dataset.json"].modified)
        for which, files in found.items()
        if len(files) == 2
    ]
    return sorted(whole, key=lambda one: (one.name, one.written, one.version))


def held_by(store: Store, versions: Iterable[Version], ids: Sequence[str]) -> list[Held]:
    """Where these images are, by version in the order given."""

    def look(version: Version) -> list[Held]:
        key = f"{version.folder}/index.parquet"
        try:
            rows = rows_of(store, key, version.index.size, "id", ids, COLUMNS)
        except KeyError:  # removed since it was listed
            return []
        return [Held(version.name, version.version, **row) for row in rows]

    return [one for found in in_readers(look, versions) for one in found]


def about(store: Store, name: str, version: str) -> dict[str, Any] | None:
    """dataset.json of a version; None where it is gone."""
    key = f"datasets/{name}/{version}/dataset.json"
    try:
        return json.loads(store.read(key))
    except KeyError:
        return None
    except ValueError as error:
        raise IntegrityError(f"{store.uri}/{key}: expected JSON, found something else ({error}); restore it") from None


def in_readers(act: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What `act` makes of each item, in their order; each waits for the store, so several go at a time."""
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(act, items))
