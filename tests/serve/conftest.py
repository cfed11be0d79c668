"""A release of the tiny world's classifier, pictures for it, and a server that tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.common.data.reader import ShardReader
from components.common.storage import open_store
from components.releases.model import ReleasedModel, load_release
from tests import tiny
from tests.releases.made import publish_release
from tests.serve.running import Running, running


@pytest.fixture(scope="session")
def place(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bundle of a version; for reading only."""
    return publish_release(tiny_world, str(tmp_path_factory.mktemp("released")))


@pytest.fixture(scope="session")
def released(place: str) -> ReleasedModel:
    return load_release(place, 1)


@pytest.fixture(scope="session")
def pictures(tiny_world: tiny.World) -> list[bytes]:
    """Files of the test split."""
    reader = ShardReader(tiny_world.data, open_store(tiny_world.store))
    return [reader.image_bytes(int(row)) for row in tiny_world.rows["test"]]


@pytest.fixture(scope="module")
def server(place: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("log")
    with running(place, "--threads", "1", "--log", str(log), "--log-rate", "1", "--log-seconds", "0.2") as started:
        started.log = Path(log)  # type: ignore[attr-defined]
        yield started
