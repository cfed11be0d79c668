"""Load the version of a dataset that a new one builds on; its images are not stored again, its splits never change.

datasets/<name>/latest.json                  the newest version and the one before it; replaced last
datasets/<name>/<id>/                        dataset.json  index.parquet  quality.json
                                             sources.parquet (of S3 sources)
                                             attributes.parquet (of tables with more columns)
datasets/<name>/shards/<split>-<sha256>.tar  images, shared by versions, and an .idx beside each
datasets/<name>/thumbnails/<sha256>.parquet  thumbnails of the images of a part, shared by versions
datasets/<name>/plans/<key>/                 what workers hand to each other, and marks of ingests in flight
datasets/<name>/listings/<key>/              which versions were made of a listing
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from components.common.artifacts import Shard
from components.common.errors import BadInputError
from components.common.storage import Store
from components.ingest.previous.ids import NOTHING, KnownIds, write_known

BATCH = 4096  # rows held at a time
COLUMNS = ("id", "shard", "offset", "size", "width", "height", "split", "group")


@dataclass(frozen=True)
class PreviousVersion:
    """The newest version in the store; `id` is empty where there is none."""

    name: str
    id: str = ""
    mode: str = ""
    shards: tuple[Shard, ...] = ()
    thumbnails: tuple[Shard, ...] = ()
    index: Path | None = None
    sources: Path | None = None
    pointer: str | None = None  # etag of latest.json
    before: str | None = None  # id of the version before

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """COLUMNS of every image, by id."""
        for batch in _batches(self.index, COLUMNS):
            yield from zip(*batch, strict=True)

    def known(self, path: Path, mode: str, max_pixels: int) -> KnownIds:
        """The ids whose stored bytes serve a version of that mode too."""
        if not self.index or self.mode != mode:
            return NOTHING
        batches = _batches(self.index, ("id", "width", "height"))
        return write_known(
            path,
            (
                image
                for batch in batches
                for image, width, height in zip(*batch, strict=True)
                if width * height <= max_pixels
            ),
        )

    def catalogue(self) -> Iterator[tuple[Any, ...]]:
        """(key, size, etag, id) of the source files it was made from, where their store tells etags."""
        for batch in _batches(self.sources, ("key", "size", "etag", "id")):
            yield from zip(*batch, strict=True)


def ids_of(path: Path) -> Iterator[str]:
    """The ids of an index, ascending."""
    for (batch,) in _batches(path, ("id",)):
        yield from batch


def latest_key(name: str) -> str:
    return f"datasets/{name}/latest.json"


def load_previous(name: str, store: Store, scratch: Path) -> PreviousVersion:
    """Raises BadInputError where the pointer leads to nothing that can be read."""
    stat = store.stat(latest_key(name))
    if stat is None:
        return PreviousVersion(name)
    pointer = json.loads(store.read(latest_key(name)))
    version = pointer["id"]
    root = f"datasets/{name}/{pointer['id']}"
    try:
        about = json.loads(store.read(f"{root}/dataset.json"))
        index = _copied(store, f"{root}/index.parquet", scratch / "previous-index.parquet")
    except KeyError as error:
        now = store.stat(latest_key(name))
        if now is None or now.etag != stat.etag:  # replaced meanwhile, because images of it were forgotten
            return load_previous(name, store, scratch)
        raise BadInputError(
            f"{store.uri}/{latest_key(name)}: names version {version[:12]}, of which {error.args[0]} is gone; "
            "restore it, or remove latest.json to begin anew"
        ) from None
    tables = about.get("thumbnails", about.get("looks", ()))  # earlier versions called them looks
    thumbnails = tuple(Shard(**entry) for entry in tables)
    sources = f"{root}/sources.parquet"
    known = _copied(store, sources, scratch / "previous-sources.parquet") if store.stat(sources) else None
    return PreviousVersion(
        name,
        version,
        about["mode"],
        tuple(Shard(**entry) for entry in about["shards"]),
        thumbnails,
        index,
        known,
        stat.etag,
        pointer.get("previous"),
    )


def _copied(store: Store, key: str, path: Path) -> Path:
    path.write_bytes(store.read(key))
    return path


def _batches(path: Path | None, columns: tuple[str, ...]) -> Iterator[list[list[Any]]]:
    if path is None:
        return
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH, columns=list(columns)):
            yield [batch.column(name).to_pylist() for name in columns]
