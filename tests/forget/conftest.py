"""The world, built once, and a copy of it for each test that changes it."""

from pathlib import Path

import pytest

from tests.forget.world import Made, build


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return build(tmp_path_factory.mktemp("forget"))


@pytest.fixture
def made(built: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """A copy, which is the working folder, with the cache of this machine in it."""
    copy = built.copied(tmp_path / "world")
    monkeypatch.setenv("XDG_CACHE_HOME", str(copy.folder / "cache"))
    monkeypatch.chdir(copy.folder)
    return copy
