"""What every test relies on (signals, a temporary folder of our own), and may ask for: a real S3 server, a bucket."""

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.s3 import S3Server, serve

if TYPE_CHECKING:
    from tests import tiny


def pytest_configure(config: pytest.Config) -> None:
    """Let SIGINT interrupt the tests and all they start, and give these a temporary folder that is removed at the end.

    A job in the background of a shell ignores SIGINT, and so does everything that it starts. Processes that tests kill
    leave their temporary files behind.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):  # of pytest-xdist: its parent's folder
        return
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # `tmp_path` stays where pytest keeps it
    folder = tempfile.mkdtemp(prefix="gleaner-tests-")
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    # when this process exits, after what multiprocessing removes itself (at -100)
    Finalize(None, shutil.rmtree, args=(folder, True), exitpriority=-200)


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, short enough for sockets, that is the temporary one of this test and of all it starts."""
    folder = tempfile.mkdtemp()
    monkeypatch.setenv("TMPDIR", folder)
    monkeypatch.setattr(tempfile, "tempdir", folder)
    return Path(folder)


@pytest.fixture
def kfp_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubeflow is asked the same number of times, without the pauses between them."""
    from components.common.kubeflow import server

    monkeypatch.setattr(server, "PAUSES", (0.001,) * len(server.PAUSES))


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with serve(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def s3_bucket(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The s3:// address of a new bucket; endpoint, credentials and an empty cache are set for this test.

    It is deleted afterwards: SeaweedFS keeps volumes for each bucket, and has as many as fit on the disk.
    """
    import boto3

    for name, value in {**s3_server.environment(), "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}.items():
        monkeypatch.setenv(name, value)
    bucket = f"test-{uuid.uuid4().hex[:12]}"
    client = boto3.Session().client("s3", endpoint_url=s3_server.endpoint)
    client.create_bucket(Bucket=bucket)
    yield f"s3://{bucket}"
    monkeypatch.undo()  # clocks and faults of the test
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            client.delete_object(Bucket=bucket, Key=item["Key"])
    client.delete_bucket(Bucket=bucket)


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


@pytest.fixture(scope="session")
def partial_world(tiny_world: "tiny.World", tmp_path_factory: pytest.TempPathFactory) -> "tiny.World":
    """The same digits without a training label of the classes 3 and 7; for reading only."""
    from tests import tiny

    return tiny.without(tiny_world, tmp_path_factory.mktemp("partial"), ["3", "7"])
