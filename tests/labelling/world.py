"""A round of labelling to test the page with: digits in a store, what is asked of them, and the server."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from components.common.artifacts import CANDIDATES, CLUSTERS, SPLITS, TRAIN, Dataset
from components.common.files import json_text
from components.common.storage import Store, open_store
from components.labels.store import Answer, LabelStore
from tests import tiny

ROOT = Path(__file__).parents[2]
ASKED = {"train": 8, "validation": 3, "calibration": 3, "test": 4}


class World(NamedTuple):
    store: str
    dataset: Dataset
    pixels: np.ndarray  # uint8 (images, 8, 8), in the order of the index
    truth: dict[str, str]  # class by id

    def answers(self) -> list[Answer]:
        return LabelStore(open_store(self.store), "digits").read().answers


def build(folder: Path, store: str = "", images: int = 300) -> World:
    """Scikit-learn's digits in a store, and a first round of candidates of them."""
    data = load_digits()
    pixels = np.minimum(data.images[:images] * 16, 255).astype(np.uint8)
    return build_of(folder, pixels, data.target[:images].astype(str), store or str(folder / "store"))


def build_of(
    folder: Path,
    pixels: np.ndarray,
    names: np.ndarray,
    store: str,
    asked: dict[str, int] = ASKED,
    clusters: int = 10,
    is_told: bool = True,
) -> World:
    """The same of any images, uint8 (images, side, side), and their classes. asked: how many of each purpose; is_told:
    whether the source names the classes.
    """
    told = names if is_told else np.full(len(names), None)
    dataset, order = tiny.dataset(folder, store, pixels, told)
    truth = dict(zip(dataset.column("id"), names[order].tolist(), strict=True))
    publish(open_store(store), dataset, pixels[order], 1, asked, clusters)
    return World(store, dataset, pixels[order], truth)


def publish(
    store: Store, dataset: Dataset, pixels: np.ndarray, number: int, asked: dict[str, int] = ASKED, clusters: int = 10
) -> None:
    """Candidates of round `number`, as sample writes them."""
    ids = dataset.column("id")
    pool = dataset.rows(TRAIN)
    fitted = KMeans(clusters, n_init=1, random_state=0).fit(pixels[pool].reshape(len(pool), -1).astype(float))
    distance = np.linalg.norm(pixels[pool].reshape(len(pool), -1) - fitted.cluster_centers_[fitted.labels_], axis=1)
    members = {"id": ids[pool], "cluster": fitted.labels_, "distance": distance.astype(np.float32)}
    cluster = dict(zip(ids[pool], fitted.labels_.tolist(), strict=True))
    rows = [
        {
            "id": ids[row],
            "rank": rank,
            "purpose": split,
            "reason": f"typical of a cluster of {np.sum(fitted.labels_ == cluster[ids[row]])} (typicality 3.20)"
            if split == TRAIN
            else f"random draw for {split}",
            "nearest": ids[pool[rank - 2]] if split == TRAIN and rank > 1 else None,
            "cluster": cluster.get(ids[row], -1),
            "label": None,
        }
        for split in SPLITS
        for rank, row in enumerate(dataset.rows(split)[(number - 1) * asked[split] : number * asked[split]], start=1)
    ]
    key = f"candidates/digits/{number:012d}"
    tables = {"candidates": pa.Table.from_pylist(rows, schema=CANDIDATES), "clusters": pa.table(members).cast(CLUSTERS)}
    for name, table in tables.items():
        text = io.BytesIO()
        pq.write_table(table, text)
        store.write(f"{key}/{name}.parquet", text.getvalue())
    summary = {
        "format": 1,
        "round": number,
        "dataset": {"name": "digits", "id": dataset.id},
        "classes": list(dataset.classes),
    }
    store.write(f"{key}/summary.json", json_text(summary).encode())


class Server(NamedTuple):
    link: str  # with its token
    process: "subprocess.Popen[str]"

    @property
    def address(self) -> str:
        return self.link.partition("?")[0]


@contextmanager
def serve(store: str, *flags: str, name: str = "digits") -> Iterator[Server]:
    """The page's server in a process of its own, until the block ends."""
    with started("-m", "components.labelling", "--name", name, "--store", store, *flags) as server:
        yield server


@contextmanager
def started(
    *words: str, folder: Path = ROOT, program: str = sys.executable, variables: Mapping[str, str] = os.environ
) -> Iterator[Server]:
    """A command that prints the link, run in `folder`: of Python's, where no other program is named."""
    environment = {**variables, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([program, *words], stdout=subprocess.PIPE, text=True, cwd=folder, env=environment)
    assert process.stdout
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("open "):
                yield Server(line.removeprefix("open ").strip(), process)
                break
        else:
            raise AssertionError(f"the page was not served: {''.join(said)}")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)
        process.stdout.close()
