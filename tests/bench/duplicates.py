"""Near-duplicates: false groups among real images that are all different, copies found among real photos, and time and
memory by size.
"""

import gzip
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from components.ingest.duplicates.connections import connected
from components.ingest.duplicates.search import find_pairs
from components.ingest.duplicates.thumbnails import SIDE, thumbnail
from components.ingest.example import mnist
from tests import natural

# a Debian package
FASHION = [Path(f"/usr/share/datasets/fashion-mnist/{part}-images-idx3-ubyte.gz") for part in ("train", "t10k")]
PATCH, STEP = 160, 48  # pixels
SYNTHETIC, NEW, CHUNK = (20_000, 200_000), 5_000, 1000

MEASURED = """
import sys, time
from pathlib import Path
import numpy as np
from components.ingest.duplicates.connections import connected
from components.ingest.duplicates.search import find_pairs
path, (count, new) = Path(sys.argv[1]), map(int, sys.argv[2:])
start, work = time.perf_counter(), time.process_time()
group = connected(find_pairs(path, count, np.arange(count) >= count - new, path.parent))
seconds, work = time.perf_counter() - start, time.process_time() - work
sizes = np.unique(list(group.values()), return_counts=True)[1]
largest = f", the largest of {max(sizes)}" if len(sizes) else ""
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
cost = f"{seconds:.1f} s ({work:.1f} s of processors), at most {peak:.0f} MiB"
print(f"{len(group)} in {len(sizes)} groups{largest}; {cost}")
"""


def main() -> None:
    print("near-duplicates, as many threads as cores, up to 4")
    _copies()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thumbnails"
        digits, _ = mnist()
        start = time.perf_counter()
        path.write_bytes(_thumbnails(digits))
        print(
            "  thumbnails of 28 x 28 pixels               "
            f"{(time.perf_counter() - start) / len(digits) * 1e6:.0f} us each"
        )
        _measure("MNIST-5k", path, len(digits))
        if all(file.is_file() for file in FASHION):
            clothes = np.concatenate(
                [np.frombuffer(gzip.decompress(file.read_bytes())[16:], np.uint8) for file in FASHION]
            )
            path.write_bytes(_thumbnails(clothes.reshape(-1, 28, 28)))
            for count in (5_000, 20_000, 70_000):
                _measure(f"Fashion-MNIST, the first {count:,}", path, count)
        with path.open("wb") as file:
            file.writelines(_synthetic(max(SYNTHETIC)))
        for count in SYNTHETIC:
            _measure(f"{count:,} random pictures", path, count)
        _measure(f"the last, with {NEW:,} of them new", path, max(SYNTHETIC), NEW)
    print(flush=True)


def _measure(name: str, path: Path, count: int, new: int | None = None) -> None:
    """In a process of its own, that imports only what it measures: print what is found, and at what cost."""
    printed = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path), str(count), str(new or count)],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    print(f"  {name:42} {printed}", end="", flush=True)


def _thumbnails(pictures: Iterable[np.ndarray]) -> bytes:
    return b"".join(thumbnail(Image.fromarray(one)).tobytes() for one in pictures)


def _synthetic(count: int) -> Iterable[bytes]:
    """Noise whose amplitude falls with frequency, as that of photos does."""
    draws = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)) + 1 / (2 * SIDE)
    for _ in range(0, count, CHUNK):
        waves = np.fft.rfft2(draws.standard_normal((CHUNK, SIDE, SIDE), np.float32)) / frequency**1.2
        pixels = np.fft.irfft2(waves)
        yield np.clip(128 + 50 * pixels / pixels.std(), 0, 255).astype(np.uint8).tobytes()


def _copies() -> None:
    originals = natural.patches(PATCH, STEP)
    draws = np.random.default_rng(0)
    count = len(originals)
    images = originals + [natural.copy(image, kind, draws) for kind in natural.KINDS for image in originals]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thumbnails"
        path.write_bytes(b"".join(thumbnail(image).tobytes() for image in images))
        found = connected(find_pairs(path, len(images), np.ones(len(images), bool), Path(folder)))
    kinds = f"JPEG 50-95, 0.5-2x, up to {natural.CUT:.0%} off each edge"
    print(f"  {count} patches of photos, {PATCH} pixels; of each a copy of every kind ({kinds})")
    for number, kind in enumerate(natural.KINDS, start=1):
        same = sum(found.get(row + number * count) == found.get(row, -1) for row in range(count))
        print(f"    {'found of those ' + kind:40} {same / count:.1%}")
    mixed = {first for row, first in found.items() if row % count != first % count}
    print(f"    {'groups that mix two patches':40} {len(mixed)}", flush=True)


if __name__ == "__main__":
    main()
