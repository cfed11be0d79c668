"""What a pool reads from a memory map, and that it keeps none of it."""

from pathlib import Path

import numpy as np
import pytest

from components.sample.strategies.pool import Pool


@pytest.fixture
def stored(tmp_path):
    x = np.random.default_rng(0).normal(size=(40_000, 256)).astype(np.float16)
    np.save(tmp_path / "x.npy", x)
    return x, np.load(tmp_path / "x.npy", mmap_mode="r")


def pool_of(vectors: np.ndarray, rows: np.ndarray) -> Pool:
    return Pool(vectors, rows, np.empty(0, np.int64), np.ones(len(rows), bool))


def resident(path: Path) -> int:
    """KiB of a mapped file that count as this process's memory."""
    maps = Path("/proc/self/smaps").read_text().split("VmFlags:")
    return sum(
        int(line.split()[1]) for one in maps if str(path) in one for line in one.splitlines() if line.startswith("Rss:")
    )


def test_positions_count_in_rows(stored):
    x, mapped = stored
    rows = np.arange(3, 40_000, 7)
    pool = pool_of(mapped, rows)
    assert pool.take(np.array([5, 0, 5])).tolist() == x[rows[[5, 0, 5]]].tolist()
    assert pool.take(slice(9, 12), np.float64).dtype == np.float64
    blocks = list(pool.blocks(1000))
    assert [start for start, _ in blocks] == list(range(0, len(rows), 1000))
    assert (np.concatenate([block for _, block in blocks]) == x[rows]).all()
    assert blocks[0][1].dtype == np.float32


def test_what_was_read_of_a_map_is_given_back(stored, tmp_path):
    _, mapped = stored
    float(mapped.sum(dtype=np.float64))
    assert resident(tmp_path / "x.npy") > 15_000
    pool = pool_of(mapped, np.arange(40_000))
    for _ in pool.blocks():
        assert resident(tmp_path / "x.npy") < 2_000
    pool.take(np.random.default_rng(0).permutation(40_000))
    assert resident(tmp_path / "x.npy") < 2_000
