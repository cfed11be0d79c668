"""A round of labelling that each test has for itself."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.labelling.person import browser
from tests.labelling.world import World, build


@pytest.fixture(scope="session")
def first_round(tmp_path_factory: pytest.TempPathFactory) -> World:
    """For reading only."""
    return build(tmp_path_factory.mktemp("labelling"))


@pytest.fixture
def world(first_round: World, tmp_path: Path) -> World:
    shutil.copytree(first_round.store, tmp_path / "store")
    return first_round._replace(store=str(tmp_path / "store"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started
