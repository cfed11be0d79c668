"""Both kinds of store, empty."""

from pathlib import Path

import pytest

from components.common.storage import Store, open_store


@pytest.fixture(params=["folder", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return (
        str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("s3_bucket") + "/some/prefix"
    )


@pytest.fixture
def store(uri: str) -> Store:
    return open_store(uri)
