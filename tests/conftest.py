"""What every test may ask for: a real S3 server, and a bucket of one's own on it."""

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.s3 import S3Server, serve

if TYPE_CHECKING:
    from tests import tiny


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with serve(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The s3:// address of a new bucket; endpoint, credentials and an empty cache are set for this test."""
    import boto3

    for name, value in {**s3_server.environment(), "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}.items():
        monkeypatch.setenv(name, value)
    bucket = f"test-{uuid.uuid4().hex[:12]}"
    boto3.Session().client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}"


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> "tiny.World":
    """Digits, labels, embeddings and two classifiers; for reading only."""
    from tests import tiny

    return tiny.build(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_evaluated(tiny_world: "tiny.World", tmp_path_factory: pytest.TempPathFactory) -> "tiny.Evaluated":
    """The same world calibrated and evaluated; for reading only."""
    from tests import tiny

    return tiny.evaluated(tiny_world, tmp_path_factory.mktemp("evaluated"))
