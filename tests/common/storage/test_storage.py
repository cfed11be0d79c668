"""One suite for both stores: a folder, and S3 on a real server."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from components.common.files import sha256_bytes
from components.common.storage import IntegrityError, Store, cache_folder, open_store
from tests.faulty import faulty
from tests.s3 import S3Server


def test_what_was_written_is_read(store: Store) -> None:
    etag = store.write("a/b.bin", b"0123456789")
    assert store.read("a/b.bin") == b"0123456789"
    assert store.read_range("a/b.bin", 3, 4) == b"3456"
    assert store.read_range("a/b.bin", 3, 0) == b""
    assert store.read_verified("a/b.bin", sha256_bytes(b"0123456789"), 10) == b"0123456789"
    for digest, size in ((sha256_bytes(b"0123456789"), 9), (sha256_bytes(b"other"), 10)):
        with pytest.raises(IntegrityError, match=f"{store.uri}/a/b.bin: "):
            store.read_verified("a/b.bin", digest, size)
    with pytest.raises(IntegrityError, match=f"{store.uri}/gone: not there"):
        store.read_verified("gone", sha256_bytes(b""), 0)
    first = store.stat("a/b.bin")
    assert first is not None
    assert first[:3] == ("a/b.bin", 10, etag)
    assert store.write("a/b.bin", b"other") != etag
    assert store.read("a/b.bin") == b"other"


def test_absent_objects(store: Store) -> None:
    store.write("there/one", b"1")
    for key in ("gone", "there", "there/one/two"):
        with pytest.raises(KeyError):
            store.read(key)
        with pytest.raises(KeyError):
            store.read_range(key, 0, 1)
        assert store.stat(key) is None
    store.delete("gone")
    store.delete("there/one")
    assert list(store.list()) == []


@pytest.mark.parametrize("start", [8, 10, 100])
def test_a_range_beyond_the_end_is_an_error_that_names_the_object(store: Store, start: int) -> None:
    store.write("short", b"0123456789")
    with pytest.raises(IntegrityError, match="short"):
        store.read_range("short", start, 4)


def test_listing_is_sorted_and_by_prefix_of_the_key(store: Store) -> None:
    keys = ["b", "a/2", "a/10", "a-b", "a/x/deep", "ab", "é", "a b", "Z"]
    for number, key in enumerate(keys):
        store.write(key, b"x" * number)
    assert sorted((stat.key, stat.size) for stat in store.list()) == sorted(
        (key, number) for number, key in enumerate(keys)
    )
    assert sorted(stat.key for stat in store.list("a/")) == ["a/10", "a/2", "a/x/deep"]
    assert sorted(stat.key for stat in store.list("a")) == sorted(key for key in keys if key.startswith("a"))
    assert [stat.key for stat in store.list("a/x")] == ["a/x/deep"]
    assert list(store.list("nothing/here")) == []
    assert all(stat.key == "a/2" for stat in store.list("a/2"))


def test_listing_more_than_a_page(s3_bucket: str) -> None:
    store = open_store(s3_bucket)
    for number in range(1005):  # S3 answers a thousand at a time
        store.write(f"{number:05d}", b"")
    assert sorted(stat.key for stat in store.list()) == [f"{number:05d}" for number in range(1005)]


def test_conditional_writes(store: Store) -> None:
    assert store.write_if_absent("pointer", b"1")
    assert not store.write_if_absent("pointer", b"2")
    assert not store.replace_if_unchanged("pointer", b"2", None)
    first = store.stat("pointer")
    assert first is not None
    assert store.replace_if_unchanged("pointer", b"2", first.etag)
    assert not store.replace_if_unchanged("pointer", b"3", first.etag)
    assert store.read("pointer") == b"2"
    assert not store.replace_if_unchanged("absent", b"1", first.etag)
    assert store.stat("absent") is None
    assert store.replace_if_unchanged("absent", b"1", None)


def claim(uri: str, keys: int) -> int:
    """How many of the keys this process was the first to write."""
    store = open_store(uri)
    return sum(store.write_if_absent(f"claims/{number}", str(os.getpid()).encode()) for number in range(keys))


def count_up(uri: str, times: int) -> int:
    """Add one to a shared number, `times` times."""
    store = open_store(uri)
    for _ in range(times):
        while True:
            now = store.stat("number")
            value = int(store.read("number")) if now else 0
            if store.replace_if_unchanged("number", str(value + 1).encode(), now.etag if now else None):
                break
    return times


@pytest.mark.parametrize(("work", "each"), [(claim, 16), (count_up, 5)])
def test_racing_processes(uri: str, work: Callable[[str, int], int], each: int) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(work, [uri] * 4, [each] * 4))
    if work is claim:
        assert sum(done) == each, "every key has exactly one first writer"
    else:
        assert open_store(uri).read("number") == b"20", "no increment was lost"


def test_local_gives_verified_files(store: Store, tmp_path: Path) -> None:
    data = os.urandom(9 << 20)  # more than one part of a multipart upload
    (tmp_path / "big").write_bytes(data)
    store.upload("shards/big", tmp_path / "big")
    path = store.local("shards/big", sha256_bytes(data), len(data))
    assert path.read_bytes() == data
    again = store.local("shards/big", sha256_bytes(data), len(data))
    assert again == path
    with pytest.raises(IntegrityError, match=f"{store.uri}/shards/big.*sha256"):
        store.local("shards/big", "0" * 64, len(data))
    with pytest.raises(IntegrityError, match=r"shards/big.*bytes"):
        store.local("shards/big", hashlib.sha256(b"other").hexdigest(), 5)
    with pytest.raises(IntegrityError, match=r"shards/gone: not there"):
        store.local("shards/gone", hashlib.sha256(b"other").hexdigest(), 5)


def test_a_damaged_cache_is_fetched_again(s3_bucket: str) -> None:
    store = open_store(s3_bucket)
    store.write("shard", b"right")
    path = store.local("shard", sha256_bytes(b"right"), 5)
    assert path == cache_folder() / sha256_bytes(b"right")
    path.write_bytes(b"wrong")
    assert store.local("shard", sha256_bytes(b"right"), 5).read_bytes() == b"right"
    store.delete("shard")
    assert store.local("shard", sha256_bytes(b"right"), 5) == path, "the cache needs no server"


def test_a_folder_keeps_its_own_files_to_itself(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.write("a", b"1")
    (tmp_path / ".b.123.partial").write_bytes(b"half")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert sorted(stat.key for stat in store.list()) == ["a"]
    for key in ("../a", "/a", "", "a//b", "./a", "a/"):
        with pytest.raises(ValueError, match="not a key"):
            store.write(key, b"")


def test_a_folder_is_rid_of_what_killed_writers_left(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.write("datasets/x/1.tar", b"1")
    for name in ("datasets/x/.2.tar.9.9.partial", "datasets/xy/.2.tar.9.9.partial"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    assert store.clean_uploads("datasets/x/", hours=1) == 0
    assert store.clean_uploads("datasets/x/", hours=0, only_count=True) == 1
    assert store.clean_uploads("datasets/x/", hours=0) == 1
    assert store.clean_uploads("datasets/none/", hours=0) == 0
    assert [path.name for path in sorted(tmp_path.rglob("*.*ar*"))] == ["1.tar", ".2.tar.9.9.partial"]


def test_mistakes_in_the_address_are_one_line(s3_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for uri in ("gs://bucket/x", "s3://", ""):
        with pytest.raises(BadInputError, match="expected s3://bucket/prefix"):
            open_store(uri)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BadInputError, match="cannot be written"):
        open_store(str(tmp_path / "file")).write("a", b"")
    missing = open_store("s3://no-such-bucket/prefix")
    for act in (
        lambda: missing.read("a"),
        lambda: missing.stat("a"),
        lambda: list(missing.list()),
        lambda: missing.write("a", b""),
    ):
        with pytest.raises(BadInputError, match="there is no bucket 'no-such-bucket'"):
            act()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    with pytest.raises(BadInputError, match="no permission") as refused:
        open_store(s3_bucket).read("a")
    assert "wrong-secret" not in str(refused.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(BadInputError, match="does not answer"):
        open_store(s3_bucket).read("a")


def everything(store: Store, folder: Path) -> list[Callable[[], object]]:
    """Every way of asking a store for something."""
    (folder / "big").write_bytes(bytes(9 << 20))
    return [
        lambda: store.read("a"),
        lambda: store.read_range("a", 0, 1),
        lambda: store.read_verified("a", "0" * 64, 1),
        lambda: store.stat("a"),
        lambda: list(store.list()),
        lambda: store.write("a", b""),
        lambda: store.write_if_absent("a", b""),
        lambda: store.upload("a", folder / "big"),
        lambda: store.local("a", "0" * 64, 9 << 20),
        lambda: store.delete("a"),
    ]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_wrong_clock_is_one_line(s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    import botocore.auth

    now = botocore.auth.get_current_datetime
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime", lambda *args, **options: now(*args, **options) + timedelta(hours=hours)
    )
    for number, act in enumerate(everything(open_store(s3_bucket), tmp_path)):
        # HEAD has no body to say why; there the server's clock is held against this machine's, which is right in this
        # test
        with pytest.raises(BadInputError, match="no permission" if number == 3 else "clock and the server's differ"):
            act()


def test_a_refused_head_looks_at_the_clock(
    s3_server: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty(s3_server.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        proxy.canned = 403, {"Date": "Mon, 01 Jan 2024 00:00:00 GMT"}, b""
        with pytest.raises(BadInputError, match="clock and the server's differ"):
            open_store(s3_bucket).stat("a")


def test_a_wrong_key_is_one_line(s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    for act in everything(open_store(s3_bucket), tmp_path):
        with pytest.raises(BadInputError, match="no permission"):
            act()


def test_another_region_is_one_line(
    s3_server: S3Server, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What AWS answers; SeaweedFS takes every region."""
    body = (
        b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting "
        b"'eu-west-3'</Message>"
        b"<Region>eu-west-3</Region></Error>"
    )
    with faulty(s3_server.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        proxy.canned = 400, {"Content-Type": "application/xml"}, body
        for act in everything(open_store(s3_bucket), tmp_path)[:3]:
            with pytest.raises(BadInputError, match=r"another region .*; set AWS_DEFAULT_REGION to eu-west-3"):
                act()


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_ENDPOINT_URL", "localhost:8333"), ("AWS_DEFAULT_REGION", "not a region")]
)
def test_settings_that_boto3_refuses_are_one_line(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInputError, match=f"check .*{name}"):
        open_store(s3_bucket).read("a")


def test_no_credentials_is_one_line(s3_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(BadInputError, match="no credentials"):
        open_store(s3_bucket).read("a")


def test_a_folder_needs_no_boto3() -> None:
    code = (
        "import sys; from components.common.storage import open_store; open_store('s3://b'); assert 'boto3' not in "
        "sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
