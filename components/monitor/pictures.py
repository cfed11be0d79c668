"""Pictures of images of a look, and of its reference, from wherever one can be had; a look needs none."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from math import isqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from components.common.artifacts import Dataset
from components.common.data.images import ImageError, decode
from components.common.errors import BadInputError, FailedError
from components.common.lineage import dataset_version, newest_dataset
from components.common.served import read
from components.common.storage import Store, file_at, open_store

SIDE = 320  # pixels of the longer side, at most
MAX_PIXELS = 200_000_000
AT_ONCE = 8  # images that are fetched side by side
UNREADABLE = (BadInputError, FailedError, ImageError, KeyError, OSError, ValueError, pa.ArrowException)


def of_look(
    about: Mapping[str, Any], wanted: Mapping[str, str | None], datasets: Iterable[Dataset], store: Store | None
) -> dict[str, Image.Image]:
    """Pictures of images of a look by id, those that can be had: their files, pixels kept in the log, or the datasets.

    about: observed.json; wanted: where each image lies, or None.
    """
    found = _side_by_side((image, partial(_file, where)) for image, where in wanted.items() if where)
    left = wanted.keys() - found.keys()
    if about["source"] == "log" and left:
        found |= _logged(about, left)
    return found | of_datasets(wanted.keys() - found.keys(), datasets, store)


def of_datasets(wanted: Iterable[str], datasets: Iterable[Dataset], store: Store | None) -> dict[str, Image.Image]:
    """Pictures of images of datasets of a store by id, those that are there; of several datasets the first counts."""
    found: dict[str, Image.Image] = {}
    left = set(wanted)
    if store is None:
        return found
    for dataset in datasets:
        found |= _side_by_side(_stored(dataset, store, left))
        left -= found.keys()
    return found


def datasets_of(store: Store, release: Mapping[str, Any]) -> list[Dataset]:
    """The newest version of the dataset that a release learned from, and that version, those that can be read.

    release: release.json.
    """
    name, version = release.get("dataset_name"), release.get("digests", {}).get("dataset")
    if not name:
        return []
    found: list[Dataset] = []
    for get in (lambda: newest_dataset(name, store), lambda: dataset_version(name, version, store)):
        try:
            dataset = get()
        except UNREADABLE:
            continue
        if dataset is not None and all(dataset.id != other.id for other in found):
            found.append(dataset)
    return found


def _side_by_side(tasks: Iterable[tuple[str, Callable[[], Image.Image]]]) -> dict[str, Image.Image]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        began = [(image, pool.submit(get)) for image, get in tasks]
        found = {}
        for image, future in began:
            try:
                found[image] = future.result()
            except UNREADABLE:
                continue
    return found


def _file(where: str) -> Image.Image:
    store, key = file_at(where)
    return _small(store.read(key))


def _small(data: bytes) -> Image.Image:
    image = decode(data, "RGB", MAX_PIXELS)
    image.thumbnail((SIDE, SIDE))
    return image


def _part(store: Store, key: str, start: int, size: int) -> Image.Image:
    return _small(store.read_range(key, start, size))


def _logged(about: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Image.Image]:
    """Pixels that a server kept of its answers, where it was asked to (`gleaner serve --log-pixels`)."""
    since, until = (datetime.fromisoformat(about[name]) for name in ("since", "until"))
    left = set(wanted)
    found: dict[str, Image.Image] = {}
    try:
        for table in read(open_store(about["place"]), about["model"], since, until, about["version"], ["id", "pixels"]):
            for image, pixels in zip(*(table.column(name) for name in ("id", "pixels")), strict=True):
                if pixels.is_valid and (key := image.as_py()) in left:
                    found[key] = _unpacked(pixels.as_py())
                    left.discard(key)
            if not left:
                break
    except UNREADABLE:
        pass
    return found


def _unpacked(pixels: bytes) -> Image.Image:
    """uint8 (channels, side, side): one channel where that makes a square, else three."""
    side = isqrt(len(pixels))
    if side * side == len(pixels):
        return Image.fromarray(np.frombuffer(pixels, np.uint8).reshape(side, side))
    side = isqrt(len(pixels) // 3)
    channels = np.frombuffer(pixels, np.uint8).reshape(3, side, side)
    return Image.fromarray(np.ascontiguousarray(channels.transpose(1, 2, 0)))


def _stored(dataset: Dataset, store: Store, wanted: set[str]) -> Iterator[tuple[str, Callable[[], Image.Image]]]:
    """A way to each wanted image that a dataset has: its bytes alone, not the shard that they lie in."""
    there = dataset.index.filter(pc.is_in(dataset.index["id"], pa.array(sorted(wanted), pa.string())))
    for row in there.select(["id", "shard", "offset", "size"]).to_pylist():
        place = dataset.shards[row["shard"]].key, row["offset"], row["size"]
        yield row["id"], partial(_part, store, *place)
