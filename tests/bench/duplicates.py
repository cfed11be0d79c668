"""Copies among images: how many are found of each kind, false ones among real images that are all different, and time
and memory by size. `python -m tests.bench.duplicates exhaustive MNIST-IDX...` compares with every two instead.
"""

import gzip
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from math import log
from pathlib import Path

import numpy as np
from PIL import Image

from components.ingest.duplicates.connections import connected
from components.ingest.duplicates.kinds import EDITED, NEAR
from components.ingest.duplicates.search import find_pairs
from components.ingest.duplicates.thumbnails import SIDE, thumbnail
from components.ingest.example import mnist
from tests import exhaustive, natural
from tests.bench import pictures

# a Debian package
FASHION = [Path(f"/usr/share/datasets/fashion-mnist/{part}-images-idx3-ubyte.gz") for part in ("train", "t10k")]
PATCH, STEP = 160, 48  # pixels
SIZES, NEW = (70_000, 1_000_000), 5_000

MEASURED = """
import sys, time
from pathlib import Path
import numpy as np
from components.ingest.duplicates.search import find_pairs
path, (count, new) = Path(sys.argv[1]), map(int, sys.argv[2:4])
start, work = time.perf_counter(), time.process_time()
np.save(sys.argv[4], find_pairs(path, count, np.arange(count) >= count - new, path.parent))
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
print(time.perf_counter() - start, time.process_time() - work, peak)
"""


def main() -> None:
    print("near-duplicates and edited copies, as many threads as cores, up to 4")
    _copies()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thumbnails"
        digits = mnist()[0].astype(np.uint8).reshape(-1, 28, 28)
        path.write_bytes(_thumbnails(digits))
        _measure("MNIST-5k", path, len(digits))
        real = [digits]
        if all(file.is_file() for file in FASHION):
            real.append(np.concatenate([_idx(file) for file in FASHION]))
            path.write_bytes(_thumbnails(real[1]))
            for count in (5_000, 20_000, 70_000):
                _measure(f"Fashion-MNIST, the first {count:,}", path, count)
        drawn = np.random.default_rng(0).permutation(np.concatenate(real))
        planted = pictures.write(path, max(SIZES), drawn)
        work = [_measure(f"{count:,} pictures", path, count, planted=planted) for count in SIZES]
        exponent = log(work[1] / work[0]) / log(SIZES[1] / SIZES[0])
        print(f"  {'processors times n to the power of':42} {exponent:.2f}")
        _measure(f"the last, with {NEW:,} of them new", path, max(SIZES), NEW)
    print(flush=True)


def compare(files: list[Path]) -> None:
    """Print what share of the pairs that a search of every two finds is connected, in Fashion-MNIST and IDX files."""
    for name, paths in (("Fashion-MNIST", FASHION), ("the files given", files)):
        shown = np.concatenate([np.frombuffer(_thumbnails(_idx(path)), np.uint8) for path in paths])
        shown = shown.reshape(-1, SIDE, SIDE)
        pairs = np.concatenate([exhaustive.copies(shown, kind) for kind in (NEAR, EDITED)])
        pairs = np.unique(np.sort(pairs, 1), axis=0)
        everywhere = connected(pairs)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "thumbnails"
            path.write_bytes(shown.tobytes())
            found = connected(find_pairs(path, len(shown), np.ones(len(shown), bool), Path(folder)))
        same = np.mean([a in found and found[a] == found.get(b) for a, b in pairs.tolist()])
        invented = sum(everywhere.get(row) != everywhere.get(first, -1) for row, first in found.items())
        print(f"  {name}, {len(shown):,}: connected of {len(pairs)} pairs {same:.2%}, others {invented}", flush=True)


def _measure(
    name: str, path: Path, count: int, new: int | None = None, planted: list[pictures.Planted] | None = None
) -> float:
    """In a process of its own, that imports only what it measures: print what is found, and at what cost; returns the
    seconds of processors.
    """
    result = path.parent / "pairs.npy"
    numbers = [str(count), str(new or count), str(result)]
    command = [sys.executable, "-c", MEASURED, str(path), *numbers]
    seconds, work, peak = map(float, subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())
    group = connected(np.load(result))
    largest = max(Counter(group.values()).values(), default=0)
    cost = f"{seconds:.1f} s ({work:.1f} s of processors), at most {peak:.0f} MiB"
    print(f"  {name:42} {len(group)} in {len(set(group.values()))} groups, the largest of {largest}; {cost}")
    for kind in sorted({one.kind for one in planted or ()}):
        asked = [one for one in planted or () if one.kind == kind and one.copy < count]
        same = np.mean([group.get(one.copy, -1) == group.get(one.original) for one in asked])
        print(f"    {f'found of {len(asked):,} planted copies, {kind}':40} {same:.1%}")
    ours = {frozenset(one[:2]) for one in planted or ()}
    if ours:
        others = sum(frozenset((row, first)) not in ours for row, first in group.items() if row != first)
        print(f"    {'pairs that were not planted':40} {others}")
    sys.stdout.flush()
    return work


def _idx(path: Path) -> np.ndarray:
    """The images of an IDX file, packed or not: uint8 (n, 28, 28)."""
    data = path.read_bytes()
    return np.frombuffer(gzip.decompress(data) if path.suffix == ".gz" else data, np.uint8, offset=16).reshape(
        -1, 28, 28
    )


def _thumbnails(images: Iterable[np.ndarray]) -> bytes:
    return b"".join(thumbnail(Image.fromarray(one)).tobytes() for one in images)


def _copies() -> None:
    originals = natural.patches(PATCH, STEP)
    draws = np.random.default_rng(0)
    count = len(originals)
    kinds = (*natural.KINDS, *natural.EDITS)
    images = originals + [natural.copy(image, kind, draws) for kind in kinds for image in originals]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thumbnails"
        path.write_bytes(b"".join(thumbnail(image).tobytes() for image in images))
        found = connected(find_pairs(path, len(images), np.ones(len(images), bool), Path(folder)))
    how = f"JPEG 50-95, 0.5-2x, up to {natural.CUT:.0%} off each edge; tones times 1/{natural.TIMES} to {natural.TIMES}"
    print(f"  {count} patches of photos, {PATCH} pixels; of each a copy of every kind ({how})")
    for number, kind in enumerate(kinds, start=1):
        same = sum(found.get(row + number * count) == found.get(row, -1) for row in range(count))
        print(f"    {'found of those ' + kind:40} {same / count:.1%}")
    mixed = {first for row, first in found.items() if row % count != first % count}
    print(f"    {'groups that mix two patches':40} {len(mixed)}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["exhaustive"]:
        compare([Path(name) for name in sys.argv[2:]])
    else:
        main()
