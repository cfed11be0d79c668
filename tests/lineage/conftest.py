import pytest

from tests.lineage.world import World


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """For reading only."""
    return World(tmp_path_factory.mktemp("lineage"))
