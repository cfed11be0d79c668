"""Epochs by windows: every row once, within a budget, over a real object store; and threads that end."""

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.common.artifacts import INDEX, Dataset, Shard
from components.common.data.reader import ShardReader
from components.common.data.stream import ahead, epoch_windows, row_batches
from components.common.files import sha256_bytes
from components.common.storage import IntegrityError, Store, cache_folder, open_store

SIZE, EACH = 1000, 10  # bytes of a shard, images in it


def dataset(shards: int, store: Store | None = None) -> Dataset:
    bodies = [bytes([n + 1]) * SIZE for n in range(shards)]
    made = tuple(Shard(f"s/{n}.tar", sha256_bytes(body), SIZE, EACH) for n, body in enumerate(bodies))
    for shard, body in zip(made, bodies, strict=True):
        if store:
            store.write(shard.key, body)
    count = shards * EACH
    columns = {
        "shard": [n // EACH for n in range(count)],
        "offset": [100 * (n % EACH) for n in range(count)],
        "size": [100] * count,
    }
    rows = {name: columns.get(name, pa.nulls(count, INDEX.field(name).type)) for name in INDEX.names}
    return Dataset("d", "0", "L", (), made, pa.table(rows, schema=INDEX))


@settings(deadline=None, max_examples=50)
@given(st.sets(st.integers(0, 199), min_size=1), st.integers(0, 99), st.integers(0, 99), st.integers(1, 25_000))
def test_every_row_once_in_windows_that_fit_two_at_a_time(rows, seed, epoch, held):
    data = dataset(20)
    pool = np.array(sorted(rows))
    windows = epoch_windows(data, pool, seed, epoch, held)
    again = epoch_windows(data, pool, seed, epoch, held)
    assert sorted(np.concatenate([window.rows for window in windows]).tolist()) == sorted(rows)
    assert all(set((window.rows // EACH).tolist()) == set(window.shards) for window in windows)
    assert len(windows) == 1 or all(
        len(window.shards) == 1 or len(window.shards) * SIZE <= held / 2 for window in windows
    )
    assert all(np.array_equal(one.rows, two.rows) for one, two in zip(windows, again, strict=True))


def test_a_window_mixes_its_shards_and_orders_differ():
    data = dataset(8)
    orders = {
        np.concatenate([w.rows for w in epoch_windows(data, np.arange(80), seed, epoch, 8000)]).tobytes()
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9
    window = epoch_windows(data, np.arange(80), 0, 0, 6000)[0]
    assert len(window.shards) == 3
    assert len(set((window.rows[:10] // EACH).tolist())) > 1


def test_the_cache_stays_within_its_bound_while_an_epoch_streams(s3_bucket, monkeypatch):
    monkeypatch.setenv("GLEANER_CACHE_GB", "4e-6")
    store = open_store(s3_bucket)
    data = dataset(20, store)
    reader = ShardReader(data, store, 4 * SIZE)
    windows = epoch_windows(data, np.arange(200), 0, 0, reader.held)
    seen = []
    most = 0
    for rows in row_batches(windows, 8, 0, 25, reader):
        for row in rows.tolist():
            assert reader.image_bytes(row) == bytes([row // EACH + 1]) * 100
        seen += rows.tolist()
        # no stat: a fetch removes copies meanwhile
        most = max(most, SIZE * sum(len(path.name) == 64 for path in cache_folder().iterdir()))
    assert sorted(seen) == list(range(200))
    assert most <= 2 * 4 * SIZE  # the bound, and what is held
    assert np.array_equal(np.concatenate(list(row_batches(windows, 8, 7, 25, reader))), seen[56:])


def test_a_damaged_copy_is_fetched_again_and_a_lost_shard_is_one_clear_line(s3_bucket):
    store = open_store(s3_bucket)
    data = dataset(3, store)
    first = ShardReader(data, store)
    first.image_bytes(0)
    first.keep_only([])
    (cache_folder() / data.shards[0].sha256).write_bytes(b"x" * SIZE)
    assert ShardReader(data, store).image_bytes(0) == bytes([1]) * 100
    store.delete("s/2.tar")
    reader = ShardReader(data, store)
    before = threading.active_count()

    def read_all() -> None:
        for rows in row_batches(epoch_windows(data, np.arange(30), 0, 0, 2 * SIZE), 5, 0, 6, reader):
            for row in rows.tolist():
                reader.image_bytes(row)

    with pytest.raises(IntegrityError, match=r"s/2\.tar") as error:
        read_all()
    assert "\n" not in str(error.value)
    del error
    assert threading.active_count() <= before + 2


def test_random_access_holds_no_more_than_it_may(tmp_path: Path):
    store = open_store(str(tmp_path))
    reader = ShardReader(dataset(6, store), store, 2 * SIZE)
    for row in np.random.default_rng(0).integers(0, 60, 300).tolist():
        assert reader.image_bytes(row) == bytes([row // EACH + 1]) * 100
        assert len(reader._open) <= 2


def test_work_ahead_is_in_order_passes_errors_on_and_ends_its_thread():
    closed = []

    def numbers(stop: int):
        try:
            yield from range(stop)
            raise OSError("the tenth")
        finally:
            closed.append(stop)

    before = threading.active_count()
    got: list[int] = []
    with pytest.raises(OSError, match="the tenth"):
        got.extend(ahead(numbers(10)))
    early = ahead(numbers(1000))
    assert [next(early), next(early)] == [0, 1]
    early.close()
    assert closed == [10, 1000]
    assert threading.active_count() == before


def test_rows_by_place_bring_each_shard_once_however_little_is_held(tmp_path: Path, monkeypatch):
    store = open_store(str(tmp_path))
    monkeypatch.setenv("GLEANER_CACHE_GB", "1e-6")
    reader = ShardReader(dataset(5, store), store)
    rows = np.random.default_rng(0).permutation(50)
    assert reader.held == SIZE  # the cache's bound, which is less
    brought: list[str] = []
    local = store.local

    def counted(key: str, sha256: str, size: int) -> Path:
        brought.append(key)
        return local(key, sha256, size)

    monkeypatch.setattr(store, "local", counted)
    assert rows[reader.by_place(rows)].tolist() == list(range(50))
    assert all(
        reader.image_bytes(row) == bytes([row // EACH + 1]) * 100 for row in rows[reader.by_place(rows)].tolist()
    )
    assert brought == [f"s/{n}.tar" for n in range(5)]
