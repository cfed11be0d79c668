"""What a lookup costs in a big store: an image and a release by `python -m components.lineage`, on an S3 server."""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.common import served
from components.common.artifacts import INDEX, LABELS, describe_dataset
from components.common.data.identity import ROWS
from components.common.files import json_text
from components.common.storage import S3Store, Store, open_store
from components.releases.bundle import describe, publish
from tests.bench.machine import spread
from tests.s3 import serve

IMAGES, VERSIONS = 1_000_000, 3
RELEASES, LABELLED = 50, 10_000
BATCHES, ANSWERS, FEATURES = 200, 1_000, 128  # of the serving log
TIMES = 5
ROOT = Path(__file__).parents[2]
COMMAND = """
import sys
from pathlib import Path
from components.lineage.command import main
main(sys.argv[1:])
print(*(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line), file=sys.stderr)
"""


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="gleaner-bench-") as folder,
        serve(Path(folder) / "s3") as server,
        mock.patch.dict(os.environ, server.environment()),
    ):
        store = open_store("s3://lineage/gleaner")
        assert isinstance(store, S3Store)
        store.make_bucket()
        ids = sorted(hashlib.sha256(b"%d" % number).hexdigest() for number in range(IMAGES))
        versions = [_dataset(store, ids, number) for number in range(VERSIONS)]
        last = [_release(store, ids, versions[number % VERSIONS], number) for number in range(RELEASES)][-1]
        _log(store, ids, last)
        print(
            f"lineage in a store of {VERSIONS} versions of {IMAGES:,} images, {RELEASES} releases of {LABELLED:,} "
            f"labels and {BATCHES * ANSWERS:,} logged answers, on SeaweedFS, start of Python included:"
        )
        image = ids[IMAGES // 2]
        for what, words in (
            ("which releases learned from an image", [image, "--releases"]),
            ("all about an image", [image]),
            ("all about an image but the log", [image, "--no-log"]),
            ("all about a release", [last]),
            ("every image of a release, a line each", [last, "--images"]),
        ):
            done = [_lookup(store.uri, *words) for _ in range(TIMES)]
            seconds, peak = spread([one[0] for one in done], 1, 2, " s"), max(one[1] for one in done)
            print(f"  {what}: {seconds}, {peak / 1e6:.0f} MB at most", flush=True)
    print()


def _dataset(store: Store, ids: list[str], number: int) -> str:
    """A version as ingest writes one; returns its id. The last lacks the last images, so that the versions differ."""
    kept = ids[: IMAGES - number]
    count = len(kept)
    splits = np.array(["train"] * 7 + ["validation", "calibration", "test"])[np.arange(count) % 10]
    columns = {
        "id": kept,
        "shard": np.zeros(count, np.int32),
        "offset": np.arange(count) * 1024,
        "size": np.full(count, 700),
        "width": np.full(count, 28),
        "height": np.full(count, 28),
        "split": splits,
        "label": pa.nulls(count, pa.string()),
        "group": kept,
        "source": [f"in/{place}.png" for place in range(count)],
        "text": pa.nulls(count, pa.string()),
    }
    data = io.BytesIO()
    pq.write_table(pa.table(columns).cast(INDEX), data, row_group_size=ROWS, compression="zstd")
    version = hashlib.sha256(data.getvalue()).hexdigest()
    about = describe_dataset("big", version, "L", ["0", "1"], {"train": count}, [])
    store.write(f"datasets/big/{version}/index.parquet", data.getvalue())
    store.write(f"datasets/big/{version}/dataset.json", json_text(about).encode())
    return version


def _release(store: Store, ids: list[str], dataset: str, number: int) -> str:
    chosen = sorted(np.random.default_rng(number).choice(IMAGES - VERSIONS, LABELLED, replace=False))
    columns = {
        "id": [ids[row] for row in chosen],
        "label": ["0"] * LABELLED,
        "purpose": ["train"] * LABELLED,
        "source": ["oracle"] * LABELLED,
        "annotator": ["oracle"] * LABELLED,
        "time": pa.nulls(LABELLED, pa.timestamp("s", tz="UTC")),
        "weight": np.ones(LABELLED, np.float32),
    }
    data = io.BytesIO()
    pq.write_table(pa.table(columns).cast(LABELS), data, compression="zstd")
    files = {"labels.parquet": data.getvalue()}
    digests = {"dataset": dataset, "labels": hashlib.sha256(data.getvalue()).hexdigest(), "code": "c" * 64}
    release = describe(files, {"model": "big", "dataset_name": "big", "digests": digests, "seed": number})
    publish(store, release, files)
    return str(release["version"])


def _log(store: Store, ids: list[str], version: str) -> None:
    rng = np.random.default_rng(0)
    place = open_store(f"{store.uri}/log")
    now = np.datetime64("2026-11-01T00:00:00", "us").item()
    for _ in range(BATCHES):
        rows = [
            {
                "id": ids[row],
                "time": now,
                "version": version,
                "predicted": "0",
                "confidence": 0.9,
                "embedding": rng.random(FEATURES).astype(np.float16),
            }
            for row in rng.integers(IMAGES, size=ANSWERS)
        ]
        served.write(place, "big", rows)


def _lookup(uri: str, *words: str) -> tuple[float, int]:
    """Seconds, and bytes of memory at most, of one command."""
    began = time.monotonic()
    command = [sys.executable, "-c", COMMAND, "--name", "big", "--store", uri, *words]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    return time.monotonic() - began, int(done.stderr.split()[-2]) * 1024
