"""The cache of shards: bounded, least recently used out first, and nothing leaves while it is read, by whichever
process.
"""

import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from components.common.files import sha256_bytes
from components.common.storage import cache, cache_folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("GLEANER_CACHE_GB", "3e-6")  # 3,000 bytes


def contents(number: int) -> bytes:
    return bytes([number]) * 1000


def get(number: int) -> Path:
    data = contents(number)

    def fetch(path: Path) -> None:
        path.write_bytes(data)

    return cache.cached(sha256_bytes(data), len(data), fetch)


def there() -> set[int]:
    return {number for number in range(20) if (cache_folder() / sha256_bytes(contents(number))).is_file()}


def test_the_longest_unused_leaves_first() -> None:
    for number in (1, 2, 3):
        cache.let_go(get(number))
    cache.let_go(get(1))  # used again
    assert there() == {1, 2, 3}
    cache.let_go(get(4))
    assert there() == {1, 3, 4}
    cache.let_go(get(5))
    assert there() == {1, 4, 5}
    first = get(4)
    cache.let_go(get(1))
    cache.let_go(get(5))
    cache.let_go(get(4))  # used again, while in use
    cache.let_go(first)
    cache.let_go(get(6))
    assert there() == {4, 5, 6}


def test_what_is_read_stays_and_the_bound_gives_way() -> None:
    paths = [get(number) for number in (1, 2, 3, 4)]
    assert there() == {1, 2, 3, 4}
    again = get(2)
    for path in paths:
        cache.let_go(path)
    get(5)
    assert there() == {2, 4, 5}, "2 has a reader left"
    cache.let_go(again)
    get(6)
    get(7)
    assert there() == {5, 6, 7}


def test_another_process_keeps_what_it_reads_until_it_dies() -> None:
    cache.let_go(get(1))
    code = (
        "import sys, time; from tests.common.storage.test_cache import get; get(1); print('held', flush=True); "
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"held\n"
        for number in (2, 3, 4, 5):
            cache.let_go(get(number))
        assert there() == {1, 4, 5}
        reader.kill()
        reader.wait()
    cache.let_go(get(6))
    assert there() == {4, 5, 6}


def hammer(seed: int) -> int:
    """Take, read and let go eight copies by chance, where three have room."""
    order = random.Random(seed)
    for _ in range(150):
        number = order.randrange(8)
        path = get(number)
        assert path.read_bytes() == contents(number)
        cache.let_go(path)
    return seed


def test_racing_processes() -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(hammer, range(3))) == [0, 1, 2]
    assert len(there()) <= 3 + 3, "each process may hold one more than there is room for"


def test_one_fetches_and_the_others_wait() -> None:
    fetched = []

    def slow(path: Path) -> None:
        fetched.append(threading.get_ident())
        time.sleep(0.2)
        path.write_bytes(contents(1))

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: cache.cached(sha256_bytes(contents(1)), 1000, slow), range(8)))
    assert len(fetched) == 1
    assert len(set(paths)) == 1
    for path in paths:
        cache.let_go(path)


def test_a_copy_is_verified_once_and_again_where_somebody_touched_it(monkeypatch: pytest.MonkeyPatch) -> None:
    path = get(1)
    with monkeypatch.context() as patched:
        patched.setattr(cache, "sha256_file", None)  # would fail if called
        assert get(1) == path
    path.write_bytes(contents(2))
    assert get(1).read_bytes() == contents(1)
    path.unlink()
    assert get(1).read_bytes() == contents(1)


def test_what_a_killed_process_left_half_written_goes() -> None:
    cache_folder().mkdir(parents=True)
    for name, age in (("old", 2 * cache.STALE), ("new", 0)):
        half = cache_folder() / f".{name}.partial"
        half.write_bytes(b"half")
        os.utime(half, (time.time() - age, time.time() - age))
    get(1)
    assert [path.name for path in cache_folder().glob("*.partial")] == [".new.partial"]


def test_a_full_disk_lowers_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.let_go(get(1))
    monkeypatch.setattr(cache, "SPARE", 1 << 60)
    get(2)
    assert there() == {2}


@pytest.mark.parametrize("given", ["much", "-1", "nan", "inf"])
def test_a_bound_that_is_none_is_one_line(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEANER_CACHE_GB", given)
    with pytest.raises(BadInputError, match=r"GLEANER_CACHE_GB=.*expected a number of gigabytes"):
        get(1)
