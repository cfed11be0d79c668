"""A server, launchers in their pods, and what a controller would do with their jobs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainjob.pod import Launched, launch, own_pod
from tests.trainjob.server import serve
from tests.trainjob.state import State


@pytest.fixture
def state() -> Iterator[State]:
    with serve(State()) as served:
        own_pod(served)
        yield served
        assert served.errors == []


@pytest.fixture
def started(state: State, s3_bucket: str, tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Starts launchers, and ends what is left of them."""
    left = []

    def start(name: str = "pod", store: str = f"{s3_bucket}/store", **options: Any) -> Launched:
        left.append(launch(state, tmp_path / name, store, **options))
        return left[-1]

    yield start
    for each in left:
        each.process.kill()
        each.process.communicate()
