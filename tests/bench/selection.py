"""Strategies of selection: picks and time beside the dense textbook, and time and memory at a million embeddings."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.sample.strategies.kcenter import kcenter
from components.sample.strategies.maxherding import maxherding
from components.sample.strategies.pool import BLOCK, Chosen, Pool
from components.sample.strategies.typiclust import typiclust
from tests.bench.machine import spread
from tests.sample.strategies.textbook import dense_kcenter, dense_maxherding, dense_typiclust

FEATURES, BLOBS = 512, 2000
RUNS = 5
PICKS = 200  # beside the textbook; the default budget
DENSE = {"k-center": 10_000, "MaxHerding": 2_500}  # images, at which the textbook takes seconds
TYPICLUST = (5_000, 40_000)
SIZES, BUDGET = (250_000, 1_000_000), 1_000
MOST, GROWTH = 1.3e9, 4.5  # bytes that are resident, and times the seconds: what every strategy must keep to

# What defines `strategy(pool, budget)` in the process that is measured.
STRATEGIES = {
    "random": "from components.sample.strategies.random_draw import random_picks as strategy",
    "kmeans": "from components.sample.strategies.kmeans import kmeans as strategy",
    "kcenter": "from components.sample.strategies.kcenter import kcenter as strategy",
    "typiclust": "from components.sample.strategies.typiclust import typiclust as strategy",
    "probcover": "from components.sample.strategies.probcover import probcover as strategy",
    "maxherding": "from components.sample.strategies.maxherding import maxherding as strategy",
    **{
        name: f"from tests.bench.picking import taught; strategy = taught({name!r})"
        for name in ("margin", "entropy", "bald", "badge")
    },
}
MEASURED = """
import hashlib, sys, time
import numpy as np
from components.sample.strategies.pool import Pool
{strategy}
vectors = np.load(sys.argv[1], mmap_mode="r")
count, budget, threads = map(int, sys.argv[2:5])
pool = Pool(vectors, np.arange(count), np.empty(0, np.int64), np.ones(count, bool), 0, threads)
start, work = time.perf_counter(), time.process_time()
picks = strategy(pool, budget).positions
seconds, work = time.perf_counter() - start, time.process_time() - work
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
print(seconds, work, peak, len(picks), hashlib.sha256(picks.tobytes()).hexdigest())
"""


class Cost(NamedTuple):
    seconds: float
    work: float  # seconds of processors
    peak: float  # bytes that were resident at most
    picks: int
    digest: str


def main() -> None:
    _beside_the_textbook()
    _at_scale(list(STRATEGIES))


def _beside_the_textbook() -> None:
    print(f"selection of {PICKS} images, {FEATURES} features, float16; two threads; seconds")
    pool = _pool(DENSE["k-center"])
    _compare("k-center", pool, kcenter, lambda x: dense_kcenter(x, PICKS, [], pool.free), RUNS)
    pool = _pool(DENSE["MaxHerding"])
    _compare(
        "MaxHerding",
        pool,
        partial(maxherding, sigma=1.0),
        lambda x: dense_maxherding(x, PICKS, [], pool.free, 1.0),
        RUNS,
    )
    for count in TYPICLUST:
        pool = _pool(count)
        dense = partial(dense_typiclust, budget=PICKS, labelled=pool.labelled, neighbours=20, seed=0)
        _compare("TypiClust", pool, typiclust, lambda x, dense=dense: dense(x)[0].tolist(), 3)  # type: ignore[misc]
    print(flush=True)


def _compare(
    name: str, pool: Pool, ours: Callable[[Pool, int], Chosen], dense: Callable[[np.ndarray], list[int]], runs: int
) -> None:
    """Print both times, taken in turns, and how many picks are the same."""
    fast, slow = [], []
    for _ in range(runs):
        start = time.perf_counter()
        picks = ours(pool, PICKS).positions.tolist()
        fast.append(time.perf_counter() - start)
        start = time.perf_counter()
        expected = dense(pool.vectors)
        slow.append(time.perf_counter() - start)
    equal = sum(one == other for one, other in zip(picks, expected, strict=True))
    print(
        f"  {name} of {len(pool):,}: {equal} of {PICKS} picks equal, {np.mean(slow) / np.mean(fast):.1f} times as fast"
    )
    print(f"    {'ours':14} {spread(fast, digits=2)}")
    print(f"    {'dense float64':14} {spread(slow, digits=2)}", flush=True)


def _at_scale(names: list[str]) -> None:
    print(f"selection of {BUDGET:,} of embeddings with {FEATURES} features, float16, in a memory map; two threads")
    columns = ("seconds", "of processors", "growth", "resident", "one thread, again")
    print(f"  {'':12}{'images':>10}" + "".join(f"{column:>18}" for column in columns))
    with tempfile.TemporaryDirectory() as folder:
        for count in SIZES:
            write(Path(folder) / f"{count}.npy", count)
        for name in names:
            before = None
            for count in SIZES:
                cost = measure(name, Path(folder) / f"{count}.npy", count, 2)
                again = [measure(name, Path(folder) / f"{count}.npy", count, threads) for threads in (1, 2)]
                equal = all(other.digest == cost.digest for other in again) and cost.picks == BUDGET
                growth = f"{cost.seconds / before:.2f}" if before else ""
                before = cost.seconds
                row = (f"{cost.seconds:.1f}", f"{cost.work:.1f}", growth, f"{cost.peak / 1e6:.0f} MB")
                told = "equal picks" if equal else "OTHER PICKS"
                print(f"  {name:12}{count:>10,}" + "".join(f"{cell:>18}" for cell in (*row, told)), flush=True)
    print(f"  to keep to: growth at most {GROWTH}, resident at most {MOST / 1e6:.0f} MB\n", flush=True)


def measure(name: str, path: Path, count: int, threads: int) -> Cost:
    """What a strategy costs in a process of its own, that imports only what it needs."""
    script = MEASURED.format(strategy=STRATEGIES[name])
    command = [sys.executable, "-c", script, str(path), str(count), str(BUDGET), str(threads)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    return Cost(float(told[0]), float(told[1]), float(told[2]), int(told[3]), told[4])


def write(path: Path, count: int) -> None:
    """A file of clustered directions, block by block."""
    vectors = np.lib.format.open_memmap(path, "w+", np.float16, (count, FEATURES))
    rng = np.random.default_rng(0)
    for start in range(0, count, BLOCK):
        vectors[start : start + BLOCK] = clustered(min(BLOCK, count - start), rng)
    vectors.flush()


def clustered(count: int, rng: np.random.Generator) -> np.ndarray:
    """Directions around 2,000 centres of unequal shares, the same centres in each call: float16 (count, features)."""
    fixed = np.random.default_rng(1)
    centres = fixed.normal(size=(BLOBS, FEATURES)).astype(np.float32)
    shares = fixed.dirichlet(np.ones(BLOBS))
    x = centres[rng.choice(BLOBS, count, p=shares)] + rng.normal(size=(count, FEATURES)).astype(np.float32)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def _pool(count: int) -> Pool:
    vectors = clustered(count, np.random.default_rng(0))
    return Pool(vectors, np.arange(count), np.empty(0, np.int64), np.ones(count, bool), 0, 2)


if __name__ == "__main__":
    _at_scale(sys.argv[1:] or list(STRATEGIES))
