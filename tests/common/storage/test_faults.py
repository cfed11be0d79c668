"""The S3 store over a network that lies: nothing wrong is accepted, everything is done, and at little extra cost."""

import hashlib
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from components.common.files import sha256_bytes
from components.common.storage import IntegrityError, S3Store, open_store
from components.common.storage.s3 import ATTEMPTS
from tests.faulty import ROUGH, Faults, FaultyServer, faulty
from tests.s3 import S3Server


@pytest.fixture
def proxy(s3_bucket: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A proxy that behaves until a test gives it a script."""
    with faulty(s3_server.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


def s3(uri: str) -> S3Store:
    store = open_store(uri)
    assert isinstance(store, S3Store)
    return store


def work(store: S3Store, folder: Path, objects: int) -> None:
    """Write and read hundreds of objects in every way there is, and compare every byte."""
    big = random.Random(0).randbytes((8 << 20) * 3 + 5)
    (folder / "big").write_bytes(big)

    def one(number: int) -> None:
        data = random.Random(number).randbytes(20 + 97 * number % 60_000)
        key = f"objects/{number:04d}"
        if number % 3 == 0:
            assert store.write_if_absent(key, data)
            assert number % 30 or not store.write_if_absent(key, b"other")
        else:
            store.write(key, data)
        assert store.read(key) == data
        assert store.read_verified(key, sha256_bytes(data), len(data)) == data
        if number % 4 == 0:
            stat = store.stat(key)
            assert stat is not None
            assert store.replace_if_unchanged(key, data + b"!", stat.etag)
            assert number % 40 or not store.replace_if_unchanged(key, b"late", stat.etag)
            assert store.local(key, sha256_bytes(data + b"!"), len(data) + 1).read_bytes() == data + b"!"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(objects)))
    store.upload("big", folder / "big")
    assert store.local("big", sha256_bytes(big), len(big)).read_bytes() == big
    assert sorted(stat.key for stat in store.list("objects/")) == [f"objects/{number:04d}" for number in range(objects)]


def test_nothing_wrong_is_accepted_and_everything_is_done(
    s3_server: S3Server, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 % of requests answered 503, 5 % of bodies cut, 1 % flipped, 1 % of connections reset: at most 1.6 times the
    requests.
    """
    counts = {}
    for name, faults in (("calm", Faults()), ("rough", ROUGH)):
        with faulty(s3_server.endpoint, faults, seed=1) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
            began = time.monotonic()
            work(s3(f"{s3_bucket}/{name}"), tmp_path, 300)
            counts[name] = proxy.counts
            print(f"{name}: {time.monotonic() - began:.1f} s, {dict(proxy.counts)}")
    assert time.monotonic() - began < 30
    assert min(counts["rough"][fault] for fault in ("busy", "reset", "lost", "cut", "flipped")) > 0, (
        "the proxy did its worst"
    )
    assert counts["rough"]["requests"] <= 1.6 * counts["calm"]["requests"]


@pytest.mark.parametrize("fault", ["busy", "reset", "lost", "cut", "flipped"])
def test_one_fault_costs_one_request(proxy: FaultyServer, s3_bucket: str, fault: str) -> None:
    store = s3(s3_bucket)
    store.write("a", b"0123456789")
    acts = [
        lambda: store.read("a") == b"0123456789",
        lambda: store.read_verified("a", sha256_bytes(b"0123456789"), 10) == b"0123456789",
        lambda: store.write("a", b"0123456789") == hashlib.md5(b"0123456789", usedforsecurity=False).hexdigest(),
    ]
    if fault != "flipped":  # a range has no checksum
        acts.append(lambda: store.read_range("a", 2, 5) == b"23456")
    for act in acts:
        proxy.counts.clear()
        proxy.script = [fault]
        assert act()
        assert proxy.counts == {"requests": 2, fault: 1, "": 1}
        proxy.counts.clear()
        assert act()
        assert proxy.counts == {"requests": 1, "": 1}, "the ordinary path is one request"


def test_a_listing_cut_short_is_asked_for_again(proxy: FaultyServer, s3_bucket: str) -> None:
    store = s3(s3_bucket)
    for number in range(5):
        store.write(str(number), b"")
    proxy.script = ["cut", "busy", "lost"]
    proxy.counts.clear()
    assert sorted(stat.key for stat in store.list()) == list("01234")
    assert proxy.counts["requests"] == 4


@pytest.mark.parametrize("fault", ["lost", "reset", "busy"])
def test_a_conditional_write_tells_the_truth_where_its_answer_was_lost(
    proxy: FaultyServer, s3_bucket: str, fault: str
) -> None:
    store = s3(s3_bucket)
    proxy.script = [fault]
    assert store.write_if_absent("pointer", b"same")
    proxy.script = [fault]
    assert not store.write_if_absent("pointer", b"same"), "another writer's object stays another's, equal bytes or not"
    now = store.stat("pointer")
    assert now is not None
    proxy.script = [fault]
    assert store.replace_if_unchanged("pointer", b"next", now.etag)
    proxy.script = [fault]
    assert not store.replace_if_unchanged("pointer", b"late", now.etag)
    assert store.read("pointer") == b"next"


def test_a_wrong_object_is_given_up_after_the_second_look(proxy: FaultyServer, s3_bucket: str) -> None:
    store = s3(s3_bucket)
    store.write("a", b"tampered!!")
    proxy.counts.clear()
    with pytest.raises(IntegrityError, match=f"{s3_bucket}/a: its sha256 is"):
        store.read_verified("a", sha256_bytes(b"0123456789"), 10)
    assert proxy.counts["requests"] == 2
    with pytest.raises(IntegrityError, match="/a: 10 bytes, but 11 bytes"):
        store.read_verified("a", sha256_bytes(b"0123456789!"), 11)
    with pytest.raises(IntegrityError, match="/b: not there"):
        store.read_verified("b", sha256_bytes(b"0123456789!"), 11)


@pytest.mark.parametrize(
    ("fault", "kind", "match"),
    [
        ("busy", BadInputError, "keeps answering ServiceUnavailable"),
        ("cut", IntegrityError, "/a: arrives damaged each time"),
        ("reset", BadInputError, "does not answer"),
    ],
)
def test_retries_are_bounded(
    proxy: FaultyServer, s3_bucket: str, fault: str, kind: type[Exception], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.common.storage.s3.FIRST_PAUSE", 0.001)
    store = s3(s3_bucket)
    store.write("a", b"0123456789")
    proxy.counts.clear()
    proxy.script = [fault] * 1000
    with pytest.raises(kind, match=match):
        store.read("a")
    assert proxy.counts["requests"] <= ATTEMPTS * 5  # boto3 asks five times, while its tokens last


def test_large_objects_mend_the_part_that_broke(proxy: FaultyServer, s3_bucket: str, tmp_path: Path) -> None:
    store = s3(s3_bucket)
    data = os.urandom((24 << 20) + 1)
    (tmp_path / "big").write_bytes(data)
    proxy.script = ["", "cut", "flipped", "", "busy"]
    store.upload("big", tmp_path / "big")
    assert proxy.counts["requests"] == 2 + 4 + 3
    assert store.read("big") == data
    for script, requests in (([], 4), (["", "cut", "busy"], 6), (["", "flipped"], 4 + 4 + 1)):
        proxy.counts.clear()
        proxy.script = list(script)
        path = store.local("big", sha256_bytes(data), len(data))
        assert proxy.counts["requests"] == requests
        assert path.read_bytes() == data
        path.unlink()


def test_an_upload_whose_last_answer_was_lost_is_done(proxy: FaultyServer, s3_bucket: str, tmp_path: Path) -> None:
    store = s3(s3_bucket)
    (tmp_path / "big").write_bytes(os.urandom(9 << 20))
    proxy.script = ["", "", "", "lost"]
    store.upload("big", tmp_path / "big")
    stat = store.stat("big")
    assert stat is not None
    assert stat.size == 9 << 20
    assert not store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads")


def test_a_failed_upload_leaves_nothing(
    proxy: FaultyServer, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.common.storage.s3.FIRST_PAUSE", 0.001)
    monkeypatch.setattr("components.common.storage.s3.ATTEMPTS", 2)
    store = s3(s3_bucket)
    (tmp_path / "big").write_bytes(os.urandom(9 << 20))
    proxy.script = ["", *["busy"] * 20]
    with pytest.raises(BadInputError, match="keeps answering"):
        store.upload("big", tmp_path / "big")
    assert not store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads")
    assert store.stat("big") is None


def test_only_old_uploads_of_our_own_are_cleaned(s3_bucket: str) -> None:
    store = s3(f"{s3_bucket}/mine")
    for key in ("mine/datasets/x/1.tar", "mine/datasets/xy/1.tar", "mine/other", "datasets/x/1.tar"):
        store.client.create_multipart_upload(Bucket=store.bucket, Key=key)

    def left() -> list[str]:
        return sorted(
            upload["Key"] for upload in store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])
        )

    assert store.clean_uploads("datasets/x/", hours=1) == 0
    assert len(left()) == 4
    assert store.clean_uploads("datasets/x/", hours=0, only_count=True) == 1
    assert len(left()) == 4
    assert store.clean_uploads("datasets/x/", hours=0) == 1
    assert left() == ["datasets/x/1.tar", "mine/datasets/xy/1.tar", "mine/other"]


def test_an_etag_guards_where_there_is_no_checksum(proxy: FaultyServer, s3_bucket: str) -> None:
    import boto3
    from botocore.config import Config

    old = boto3.Session().client("s3", config=Config(request_checksum_calculation="when_required"))
    store = s3(s3_bucket)
    old.put_object(Bucket=store.bucket, Key="a", Body=b"0123456789")
    assert "ChecksumCRC32" not in old.get_object(Bucket=store.bucket, Key="a")
    proxy.script = ["flipped"]
    proxy.counts.clear()
    assert store.read("a") == b"0123456789"
    assert proxy.counts["requests"] == 2
