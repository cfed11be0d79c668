"""Near-duplicates: false groups among real images that are all different, copies found among real photos, and the time it takes."""

import gzip
import time
from pathlib import Path

import numpy as np
from PIL import Image

from components.ingest.duplicates import groups
from components.ingest.example import mnist
from components.ingest.looks import RECORD, WINDOWS, look
from tests import natural

FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")  # Debian's dataset-fashion-mnist
SIDE, STEP = 160, 48  # of the patches, pixels


def main() -> None:
    print("near-duplicates, one thread")
    digits, _ = mnist()
    _false("MNIST-5k", digits)
    if FASHION.is_file():
        clothes = np.frombuffer(gzip.decompress(FASHION.read_bytes())[16:], np.uint8)
        _false("Fashion-MNIST, the first 5,000", clothes.reshape(-1, 28, 28)[:5000])
    originals = natural.patches(SIDE, STEP)
    draws = np.random.default_rng(0)
    count = len(originals)
    found, _ = _grouped(originals + [natural.copy(image, kind, draws) for kind in natural.KINDS for image in originals])
    kinds = f"JPEG 50-95, 0.5-2x, up to {natural.CUT:.0%} off each edge"
    print(f"  {count} patches of photos, {SIDE} pixels; of each a copy of every kind ({kinds})")
    for number, kind in enumerate(natural.KINDS, start=1):
        same = sum(found.get(row + number * count) == found.get(row, -1) for row in range(count))
        print(f"    {'found of those ' + kind:40} {same / count:.1%}")
    mixed = {first for row, first in found.items() if row % count != first % count}
    print(f"    {'groups that mix two patches':40} {len(mixed)}\n", flush=True)


def _false(name: str, pixels: np.ndarray) -> None:
    found, seconds = _grouped([Image.fromarray(one) for one in pixels])
    sizes = np.unique(list(found.values()), return_counts=True)[1]
    largest = f", the largest of {max(sizes)}" if len(sizes) else ""
    print(f"  {name + ': images in groups':42} {len(found)} of {len(pixels)} ({len(sizes)} groups{largest}; {seconds:.1f} s)", flush=True)


def _grouped(images: list[Image.Image]) -> tuple[dict[int, int], float]:
    """The first member of every image's group, and the seconds that looking and grouping took."""
    start = time.perf_counter()
    looks = [look(image) for image in images]
    bits = np.frombuffer(b"".join(one.hashes for one in looks), np.uint64).reshape(-1, len(WINDOWS))
    records = np.frombuffer(b"".join(one.record for one in looks), RECORD)
    found = groups([f"{number:06d}" for number in range(len(images))], bits, records, np.ones(len(images), bool))
    return {int(image): int(first) for image, first in found.items()}, time.perf_counter() - start


if __name__ == "__main__":
    main()
