"""The versions of datasets in a store, and images in them."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from components.common.storage import IntegrityError, Stat, Store
from components.lineage.reading.columns import in_readers, rows_of

FILES = re.compile(r"datasets/(?P<name>[^/]+)/(?P<version>[0-9a-f]{64})/(?P<file>dataset\.json|index\.parquet)")
READERS = 4  # tables of a million rows that are read at a time
COLUMNS = ("id", "split", "label", "group", "source", "shard")


@dataclass(frozen=True)
class Version:
    """A version of a dataset that is whole."""

    name: str
    version: str
    index: Stat  # index.parquet
    written: float  # when it became the newest, in seconds since 1970


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
    """Where images are whose ids begin with one of `ids`, by version in the order given."""

    def look(version: Version) -> list[Held]:
        rows = rows_of(store, version.index, "id", ids, COLUMNS)
        return [Held(version.name, version.version, **row) for row in rows.to_pylist()] if rows else []

    return [one for found in in_readers(look, versions, READERS) for one in found]


def near_duplicates(store: Store, version: Version, group: str) -> list[str]:
    """Ids of the images of one group of near-duplicates, in order."""
    rows = rows_of(store, version.index, "group", [group], ["id"])
    return rows["id"].to_pylist() if rows else []


def about(store: Store, name: str, version: str) -> dict[str, Any] | None:
    """dataset.json of a version; None where it is gone."""
    key = f"datasets/{name}/{version}/dataset.json"
    try:
        return json.loads(store.read(key))
    except KeyError:
        return None
    except ValueError as error:
        raise IntegrityError(f"{store.uri}/{key}: expected JSON, found something else ({error}); restore it") from None
