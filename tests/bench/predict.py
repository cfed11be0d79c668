"""Images a second of `gleaner predict`, two processes, against loops over the same model that a person would write, on
two threads: image after image, and 32 at a time. And the memory of `gleaner predict` at five times the images.

28 px: PNGs, ResNet-9 of width 16. 224 px: JPEGs of 320 x 240, ResNet-18. The weights are random: no figure depends on
them. Each process imports, verifies and loads before it answers, which counts.
"""

import io
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from components.common.artifacts import ModelSpec
from components.common.files import json_text
from components.common.learning.models import Classifier, build_encoder
from components.common.learning.onnx_file import export
from components.common.storage import open_store
from components.releases import preprocessing
from components.releases.bundle import describe, publish
from components.releases.model import load_release
from tests.bench.machine import spread
from tests.processes import descendants
from tests.releases.made import THRESHOLDS

RUNS = 3
SMALL, LARGE = 10_000, 300  # images
FEW, MANY = 20_000, 100_000  # images whose memory is compared
BATCH = 32
SMALL_SPEC = ModelSpec("resnet9", 16, "3x3", 28, "L", (0.13,), (0.31,))
LARGE_SPEC = ModelSpec("resnet18", 64, "7x7", 224, "RGB", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as name:
        folder = Path(name)
        for what, spec, size, kind, count in (
            ("28 px PNG, ResNet-9", SMALL_SPEC, (28, 28), "PNG", SMALL),
            ("224 px JPEG, ResNet-18", LARGE_SPEC, (320, 240), "JPEG", LARGE),
        ):
            images = folder / kind
            fill(images, count, size, kind, spec.mode)
            compare(what, released(folder, spec), images, count, folder)
        memory(released(folder, SMALL_SPEC), folder)


def compare(what: str, place: str, images: Path, count: int, folder: Path) -> None:
    ways: dict[str, Callable[[], float]] = {
        "gleaner predict": lambda: ours(place, images, folder)[0],
        "loop, one at a time": lambda: loop(place, images, 1),
        f"loop, {BATCH} at a time": lambda: loop(place, images, BATCH),
    }
    took: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(RUNS):
        for way, run in ways.items():
            took[way].append(run())
    for way, seconds in took.items():
        ratios = [other / our for other, our in zip(seconds, took["gleaner predict"], strict=True)]
        beside = "" if way == "gleaner predict" else f"; predict is faster by {spread(ratios, 1, 2, ' times')}"
        print(
            f"{what}, {count:,} images, {way:19} {spread([count / each for each in seconds], 1, 0, '/s')}{beside}",
            flush=True,
        )


def memory(place: str, folder: Path) -> None:
    """The most that all processes of one run hold together, at FEW and MANY images."""
    images = folder / "PNG"
    fill(images, MANY, (28, 28), "PNG", "L", already=SMALL)
    few = folder / "few.csv"
    names = sorted(path.name for path in images.iterdir())
    few.write_text("path\n" + "".join(f"{images / name}\n" for name in names[:FEW]))
    peaks = {count: ours(place, source, folder)[1] for count, source in ((FEW, few), (MANY, images))}
    told = ", ".join(f"{count:,} images {peak / 2**20:,.0f} MiB" for count, peak in peaks.items())
    print(f"memory of gleaner predict, all processes: {told} ({peaks[MANY] / peaks[FEW] - 1:+.1%})", flush=True)


def ours(place: str, source: Path, folder: Path) -> tuple[float, int]:
    """Seconds of `gleaner predict` in a process of its own, and the most bytes that it and its children held."""
    words = [place, str(source), "-o", str(folder / "out.parquet"), "--processes", "2"]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "components.predict.command", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with watched(process.pid) as peak:
        assert process.wait() == 0
    return time.perf_counter() - began, peak[0]


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """The most bytes that a process and its descendants hold at a time; shared pages count once for each."""
    peak = [0]
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            peak[0] = max(peak[0], sum(_held(each) for each in [pid, *descendants(pid)]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def loop(place: str, images: Path, batch: int) -> float:
    """Seconds of the loop that needs no gleaner predict: read, decode, run, keep the answer."""
    began = time.perf_counter()
    model = load_release(place, threads=2)
    paths = iter(sorted(images.iterdir()))
    answers: list[tuple[str, str, float]] = []
    while some := list(islice(paths, batch)):
        pixels = np.stack([model.preprocessing.pixels(path.read_bytes()) for path in some])
        told = model.told(model.run(pixels))
        answers += [(path.name, one["class"], one["confidence"]) for path, one in zip(some, told, strict=True)]
    return time.perf_counter() - began


def released(folder: Path, spec: ModelSpec) -> str:
    classes = [str(number) for number in range(10)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = Classifier(build_encoder(spec), len(classes)).eval()
    described = preprocessing.describe(spec.mode, spec.image_size, spec.mean, spec.std)
    files = {
        "model.onnx": export(classifier, spec),
        "preprocessing.json": json_text(described).encode(),
        "calibration.json": json_text({"temperature": 1.0, "thresholds": THRESHOLDS}).encode(),
    }
    about = {"model": spec.architecture, "classes": classes, "temperature": 1.0}
    store = open_store(str(folder / "store"))
    return f"{store.uri}/{publish(store, describe(files, about), files)}".rstrip("/")


def fill(folder: Path, count: int, size: tuple[int, int], kind: str, mode: str, already: int = 0) -> None:
    """Smooth noise, which compresses as photographs do."""
    folder.mkdir(exist_ok=True)
    draws = np.random.default_rng(already)
    for number in range(already, count):
        coarse = draws.integers(0, 256, (8, 8) if mode == "L" else (8, 8, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(buffer, kind)
        (folder / f"{number:06d}.{kind.lower()}").write_bytes(buffer.getvalue())


def _held(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("VmRSS")), 0)


if __name__ == "__main__":
    main()
