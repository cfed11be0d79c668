"""A round of labelling that each test has for itself."""

import shutil
from pathlib import Path

import pytest

from tests.labelling.world import World, build


@pytest.fixture(scope="session")
def first_round(tmp_path_factory: pytest.TempPathFactory) -> World:
    """For reading only."""
    return build(tmp_path_factory.mktemp("labelling"))


@pytest.fixture
def world(first_round: World, tmp_path: Path) -> World:
    shutil.copytree(first_round.store, tmp_path / "store")
    return first_round._replace(store=str(tmp_path / "store"))
