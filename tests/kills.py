"""Ingests that are killed at random moments, and what is in the store afterwards."""

import io
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from components.common.files import read_json, sha256_file, sha256_tree
from components.common.storage import open_store

SHARD = 1 << 20  # bytes, so that a small source has several parts


class Outcome(NamedTuple):
    kills: int  # that struck a running ingest
    finished: int  # ingests that were faster than their kill
    seconds: float  # of an ingest that nobody kills


def fill(folder: Path, images: int) -> None:
    """Noise of 400 kB an image: ten of them are a part."""
    for number in range(images):
        path = folder / "ab"[number % 2] / f"{number:03d}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (365, 365, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "BMP")
        path.write_bytes(buffer.getvalue())


def survive(folder: Path, kills: int, seed: int, images: int = 24) -> Outcome:
    """Ingest to one store undisturbed, to another under SIGKILLs, then compare them to the byte; AssertionError where
    they differ.

    Every ingest goes on from what the killed ones left. After each kill the store is looked through: what a pointer or
    a dataset names is there, whole. Where an ingest finishes, its store is thrown away and the next begins anew.
    """
    fill(folder / "in", images)
    draws = random.Random(seed)
    began = time.monotonic()
    assert _ingest(folder, "calm").wait() == 0
    seconds = time.monotonic() - began
    struck = finished = 0
    while struck < kills:
        process = _ingest(folder, "rough")
        try:
            process.wait(draws.uniform(0.1, 1.1 * seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            struck += 1
            _look_through(folder / "rough" / "store")
            continue
        assert process.returncode == 0
        finished += 1
        _same(folder)
        (folder / "rough").rename(folder / f"done-{finished}")
    assert _ingest(folder, "rough").wait() == 0
    _same(folder)
    return Outcome(struck, finished, seconds)


def _ingest(folder: Path, name: str) -> "subprocess.Popen[bytes]":
    out = folder / name
    command = [
        sys.executable,
        "-m",
        "components.ingest",
        "--source",
        str(folder / "in"),
        "--name",
        "noise",
        "--store",
        str(out / "store"),
        "--settings",
        f'{{"shard_size": {SHARD}}}',
        "--dataset",
        str(out / "dataset"),
        "--report",
        str(out / "report.html"),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _same(folder: Path) -> None:
    """Equal artifacts and equal stores, but for halves that nothing names and whose names say so."""
    assert sha256_tree(folder / "rough" / "dataset") == sha256_tree(folder / "calm" / "dataset")
    left, right = (
        {
            path.relative_to(store).as_posix(): sha256_file(path)
            for path in store.rglob("*")
            if path.is_file() and not path.name.endswith(".partial")
        }
        for store in (folder / name / "store" for name in ("rough", "calm"))
    )
    assert left == right


def _look_through(root: Path) -> None:
    store = open_store(str(root))
    base = root / "datasets" / "noise"
    latest = base / "latest.json"
    named = [*base.glob("*/dataset.json")]
    if latest.exists():
        assert base / read_json(latest)["id"] / "dataset.json" in named
    for about in named:
        assert (about.parent / "index.parquet").is_file()
        for shard in read_json(about)["shards"] + read_json(about)["thumbnails"]:
            store.local(shard["key"], shard["sha256"], shard["size"])
