"""From checked images to shards and an index: duplicates are found here, splits decided, contradictions kept from learning."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from components.common.artifacts import INDEX, SPLITS, Dataset, Shard, save_dataset
from components.common.files import json_text, sha256_json
from components.common.images import Canonical
from components.common.shards import Packed, ShardWriter, index_key
from components.common.storage import Store
from components.ingest.check import Checked
from components.ingest.looks import Album
from components.ingest.places import Found
from components.ingest.sources import precedence, split_for

ROWS_PER_DIGEST = 10_000


class Copy(NamedTuple):
    """One place in the source where an image lies."""

    precedence: int
    key: str
    label: str | None
    given: str | None
    text: str | None = None


@dataclass(slots=True)
class Image:
    """A distinct image, where it was packed, and every place in the source that holds its bytes."""

    id: str
    split: str
    shard: int  # number within its split
    offset: int
    size: int
    width: int
    height: int
    copies: list[Copy]
    group: str  # id of the first of its near-duplicates, its own where there is none

    @property
    def kept(self) -> Copy:
        return min(self.copies)

    @property
    def text(self) -> str | None:
        """What stands beside it, or beside the first of its copies that has a text."""
        return next((copy.text for copy in sorted(self.copies) if copy.text is not None), None)

    @property
    def labels(self) -> list[str]:
        """What its copies are called; more than one is a contradiction."""
        return sorted({copy.label for copy in self.copies if copy.label is not None})


@dataclass
class Contents:
    """What became of a source."""

    images: dict[str, Image] = field(default_factory=dict)  # by id
    refused: list[tuple[str, str]] = field(default_factory=list)  # path, reason
    came_as: Counter[tuple[str, bool]] = field(default_factory=Counter)  # format and mode, and whether the bytes were kept
    shards: dict[str, list[Packed]] = field(default_factory=dict)  # by split
    set_aside: list[Image] = field(default_factory=list)  # near-duplicates of images of another split, in no shard

    @property
    def duplicates(self) -> list[Image]:
        return sorted((image for image in self.images.values() if len(image.copies) > 1), key=lambda image: image.kept.key)

    @property
    def conflicts(self) -> list[Image]:
        return [image for image in self.duplicates if len(image.labels) > 1]

    def by_id(self) -> list[Image]:
        return [self.images[key] for key in sorted(self.images)]

    def groups(self) -> dict[str, list[Image]]:
        """Near-duplicate groups of two and more by their id, those set aside included; members by id."""
        members: dict[str, list[Image]] = {}
        for image in sorted([*self.images.values(), *self.set_aside], key=lambda image: image.id):
            members.setdefault(image.group, []).append(image)
        return {group: found for group, found in members.items() if len(found) > 1}

    def stored(self, image: Image) -> bytes:
        """The bytes of one image, from its shard on local disk."""
        with self.shards[image.split][image.shard].path.open("rb") as file:
            file.seek(image.offset)
            return file.read(image.size)


def pack(files: Iterable[tuple[Found, Checked]], brought: frozenset[str], folder: Path, shard_size: int, album: Album) -> Contents:
    """Write each distinct image once into the shards of its split, in the order of `files` (held-out files first), its look into `album`.

    The splits hold where nothing turns out to be a near-duplicate; see components.ingest.groups.
    """
    contents = Contents()
    with ExitStack() as stack:
        writers = {split: stack.enter_context(ShardWriter(folder, split, shard_size)) for split in SPLITS}
        for file, checked in files:
            if checked.image is None or checked.look is None:
                contents.refused.append((checked.key, checked.reason))
                continue
            if checked.text_reason:
                contents.refused.append((f"{file.key} (the text beside it)", checked.text_reason))
            copy = Copy(precedence(file.given), file.key, file.label, file.given, checked.text)
            if checked.id in contents.images:
                contents.images[checked.id].copies.append(copy)
                continue
            split = split_for(checked.id, file.given, brought)
            contents.images[checked.id] = _write(writers[split], checked.id, split, checked.image, copy)
            contents.came_as[checked.image.came_as, checked.image.kept] += 1
            album.add(checked.look)
    contents.refused.sort()
    contents.shards = {split: writer.shards for split, writer in writers.items()}
    return contents


def build_dataset(contents: Contents, name: str, mode: str) -> Dataset:
    """The index, sorted by id, and the list of shards; equal contents have an equal id, wherever they are kept."""
    first: dict[str, int] = {}
    shards: list[Packed] = []
    for split in SPLITS:
        first[split] = len(shards)
        shards += contents.shards[split]
    rows = [
        {"id": image.id, "shard": first[image.split] + image.shard, "offset": image.offset, "size": image.size,
         "width": image.width, "height": image.height, "split": image.split, "group": image.group, "source": image.kept.key,
         "label": image.labels[0] if len(image.labels) == 1 else None, "text": image.text}
        for image in contents.by_id()
    ]
    index = pa.Table.from_pylist(rows, schema=INDEX)
    classes = tuple(sorted({image.labels[0] for image in contents.images.values() if len(image.labels) == 1}))
    digest = sha256_json({"index": _digest(index), "shards": [shard.sha256 for shard in shards], "classes": classes, "mode": mode})
    root = f"datasets/{name}/{digest}"
    published = tuple(Shard(f"{root}/{shard.path.name}", shard.sha256, shard.size, len(shard.members)) for shard in shards)
    return Dataset(name, digest, mode, classes, published, index)


def publish(dataset: Dataset, shards: Iterable[Packed], folder: Path, store: Store) -> None:
    """Copy shards, their indexes and the dataset's own files to the store; dataset.json comes last and makes it visible."""
    root = f"datasets/{dataset.name}/{dataset.id}"
    save_dataset(folder, dataset)
    for shard, packed in zip(dataset.shards, shards, strict=True):
        there = store.stat(shard.key)
        if there is None or there.size != shard.size:
            store.upload(shard.key, packed.path)
        store.write(index_key(shard.key), packed.path.with_suffix(".idx").read_bytes())
    for name in ("index.parquet", "quality.json"):
        store.write(f"{root}/{name}", (folder / name).read_bytes())
    store.write_if_absent(f"{root}/dataset.json", (folder / "dataset.json").read_bytes())


def _write(writer: ShardWriter, image_id: str, split: str, image: Canonical, copy: Copy) -> Image:
    shard, offset = writer.add(f"{image_id}.{image.extension}", image.data)
    return Image(image_id, split, shard, offset, len(image.data), image.width, image.height, [copy], image_id)


def _digest(index: pa.Table) -> str:
    """sha256 of the values, which, unlike that of the parquet file, does not change with pyarrow's version; no text is no value."""
    if index.column("text").null_count == len(index):
        index = index.drop_columns("text")
    digest = hashlib.sha256()
    for start in range(0, len(index), ROWS_PER_DIGEST):
        digest.update(json_text(index.slice(start, ROWS_PER_DIGEST).to_pydict()).encode())
    return digest.hexdigest()
