"""Shards beside WebDataset's writer and reader and the standard library's: the same images, the same disk, one thread
each.

Nobody calls fsync. Ours includes the sha256 of every shard and the index; its readers' first pass verifies that sha256.
"""

import io
import random
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import webdataset
from threadpoolctl import threadpool_limits

from components.common.artifacts import INDEX, Dataset, Shard
from components.common.data.reader import ShardReader
from components.common.data.shards import ShardWriter
from components.common.storage import open_store
from tests.bench.machine import spread

SETS = ((20_000, 700), (4_000, 20_000))  # images, bytes of each
RUNS = 7
WHOLE = 1 << 40  # one shard, as the peers write

Files = list[tuple[str, bytes]]  # name without its extension, contents


def main() -> None:
    with threadpool_limits(1):
        for count, size in SETS:
            draws = random.Random(0)
            files = [(f"{draws.getrandbits(256):064x}", draws.randbytes(size)) for _ in range(count)]
            print(f"shards: {count:,} images of {size:,} bytes, images/s")
            with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as folder:
                written(files, Path(folder))
                read(files, Path(folder))
            print(flush=True)


def written(files: Files, folder: Path) -> None:
    def ours(path: Path) -> None:
        with ShardWriter(path.parent, path.stem, WHOLE) as writer:
            for name, data in files:
                writer.add(f"{name}.png", data)

    def theirs(path: Path) -> None:
        with webdataset.TarWriter(str(path), encoder=False) as writer:
            for name, data in files:
                writer.write({"__key__": name, "png": data})

    def standard(path: Path) -> None:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name, data in files:
                info = tarfile.TarInfo(f"{name}.png")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

    def fresh(write: Callable[[Path], None]) -> Callable[[], None]:
        def run() -> None:
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                write(Path(scratch) / "x.tar")

        return run

    compare(
        len(files),
        {
            "write: ours, sha256 and index included": fresh(ours),
            "webdataset.TarWriter": fresh(theirs),
            "tarfile": fresh(standard),
        },
    )


def read(files: Files, folder: Path) -> None:
    with ShardWriter(folder, "x", WHOLE) as writer:
        places = [writer.add(f"{name}.png", data) for name, data in files]
    packed = writer.shards[0]
    store = open_store(str(folder))
    columns = {
        "id": [name for name, _ in files],
        "shard": [number for number, _ in places],
        "offset": [start for _, start in places],
        "size": [len(data) for _, data in files],
    }
    rows = {name: columns.get(name, pa.nulls(len(files), INDEX.field(name).type)) for name in INDEX.names}
    shards = (Shard(packed.path.name, packed.sha256, packed.size, len(files)),)
    dataset = Dataset("bench", "0", "RGB", (), shards, pa.table(rows, schema=INDEX))
    order = np.random.default_rng(0).permutation(len(files)).tolist()
    warm = ShardReader(dataset, store)

    def in_order(reader: ShardReader, rows: list[int]) -> Callable[[], None]:
        return lambda: drain(reader.image_bytes(row) for row in rows)

    def theirs() -> None:
        drain(sample["png"] for sample in webdataset.WebDataset(str(packed.path), shardshuffle=False))

    def standard() -> None:
        with tarfile.open(packed.path) as tar:
            drain(file.read() for info in tar if (file := tar.extractfile(info)))

    assert [warm.image_bytes(row) for row in order] == [files[row][1] for row in order]
    compare(
        len(files),
        {
            "read: ours, at random": in_order(warm, order),
            "ours, at random, with a new reader that verifies": lambda: in_order(ShardReader(dataset, store), order)(),
            "ours, in order": in_order(warm, list(range(len(files)))),
            "webdataset, in order (it cannot at random)": theirs,
            "tarfile, in order": standard,
        },
    )


def drain(images: Iterator[bytes]) -> None:
    for _ in images:
        pass


def compare(images: int, works: dict[str, Callable[[], None]]) -> None:
    """Print images per second of each, and the ratio of the first to it; the runs take turns, after a first one."""
    rates: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(RUNS + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if turn:
                rates[name].append(images / (time.perf_counter() - start))
    first = next(iter(rates.values()))
    for name, found in rates.items():
        ratios = [ours / other for ours, other in zip(first, found, strict=True)]
        beside = "" if found is first else f"  the first is {spread(ratios, digits=1, unit='x')}"
        print(f"  {name:50} {spread(found, digits=0)}{beside}")
