"""A small dataset in a store, and `gleaner labels` on it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from components.common.artifacts import INDEX, SPLITS, Dataset, save_dataset
from components.common.data.identity import id_of
from components.common.files import json_text, sha256_bytes
from components.common.storage import Store, open_store
from components.labels.commands import main
from components.labels.images import Images
from components.labels.store import LabelStore

NAME = "digits"
CLASSES = ("cat", "dog", "owl")


def content(number: int) -> bytes:
    """Of the file of an image; its sha256 is the id."""
    return b"image %d" % number


def dataset(images: int = 12, classes: Sequence[str] = CLASSES) -> Dataset:
    """Images of all splits in turn, by id; the source calls them `in/<number>.png`."""
    rows = sorted((sha256_bytes(content(number)), number) for number in range(images))
    index = pa.Table.from_pylist(
        [
            {
                "id": image,
                "shard": 0,
                "offset": 0,
                "size": 1,
                "width": 1,
                "height": 1,
                "split": SPLITS[number % 4],
                "label": None,
                "group": image,
                "source": f"in/{number:04d}.png",
                "text": None,
            }
            for image, number in rows
        ],
        schema=INDEX,
    )
    made = Dataset(NAME, "", "L", tuple(classes), (), index)
    return replace(made, id=id_of(made))


def publish(store: Store, folder: Path, data: Dataset) -> None:
    """Put a version in the store as ingest does, its pointer last."""
    save_dataset(folder, data)
    for file in ("dataset.json", "index.parquet"):
        store.write(f"datasets/{data.name}/{data.id}/{file}", (folder / file).read_bytes())
    pointer = {"format": 1, "id": data.id, "previous": None}
    store.write(f"datasets/{data.name}/latest.json", json_text(pointer).encode())


class World:
    """A store with a dataset, its images by number, and the commands on it."""

    def __init__(self, folder: Path, uri: str = "", classes: Sequence[str] = CLASSES, images: int = 12) -> None:
        self.uri = uri or str(folder / "store")
        self.folder = folder
        self.store = open_store(self.uri)
        self.data = dataset(images, classes)
        self.images = Images(self.data)
        self.labels = LabelStore(self.store, NAME)
        publish(self.store, folder / "dataset", self.data)

    def publish_index(self, index: pa.Table) -> None:
        """A newer version of the dataset, of this index."""
        made = replace(self.data, index=index, id="")
        self.data = replace(made, id=id_of(made))
        publish(self.store, self.folder / self.data.id, self.data)

    def id(self, number: int) -> str:
        return sha256_bytes(content(number))

    def file(self, name: str, text: str | bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def csv(self, name: str, rows: Sequence[tuple[int, str]], header: str = "id,label") -> str:
        """A table of images by number and what stands behind their id."""
        return self.file(name, "\n".join([header, *(f"{self.id(number)},{rest}" for number, rest in rows)]) + "\n")

    def call(self, *words: str) -> int:
        """Exit code of `gleaner labels …`."""
        try:
            main([words[0], "--name", NAME, "--store", self.uri, *words[1:]])
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    def said(self) -> list[tuple[int, str]]:
        """All answers in the store: number of the image, class or kind."""
        numbers = {self.id(number): number for number in range(len(self.data.index))}
        return [(numbers[one.id], one.label or one.kind) for one in self.labels.read().answers]
