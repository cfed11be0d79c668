"""Forgetting beside ingests: whoever is killed or late, no version holds the image in the end."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from components.common.artifacts import load_dataset
from components.common.errors import BadInputError
from components.common.files import sha256_bytes
from components.common.lineage import newest_dataset
from components.common.storage import open_store
from components.forget.command import main
from components.ingest.plan import work
from tests.forget.world import decoded
from tests.ingest.test_ingest import PETS, fill, ingest
from tests.pipelines.collecting.world import Proxy

EVERY = 5  # of the requests of an ingest, so that the test takes seconds; each was tried
IMAGE = "cat/01.png"
ID = sha256_bytes(PETS[IMAGE])


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source, and the folder in which a store and outputs go."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fill(tmp_path / "in", PETS)
    return tmp_path


def forget(folder: Path) -> None:
    main([ID, "--yes", "--store", str(folder / "store")])


def held(folder: Path) -> list[str]:
    """Objects of the store that hold the image, tombstones aside."""
    files = (path for path in (folder / "store").rglob("*") if path.is_file() and "forgotten" not in path.parts)
    return sorted(path.name for path in files if ID.encode() in decoded(path) or PETS[IMAGE] in decoded(path))


def ingest_with(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> list[str]:
    """Ingest while the image is forgotten before the request of that number; returns the requests."""
    seen: list[str] = []

    def before(name: str, arguments: tuple[Any, ...]) -> None:
        seen.append(f"{name} {arguments[0] if arguments else ''}")
        if len(seen) == number:
            forget(folder)

    store = Proxy(open_store(str(folder / "store")), before)
    monkeypatch.setattr(work, "open_store", lambda uri: store)
    try:
        ingest(str(folder / "in"), folder / "out", store=str(folder / "store"))
    finally:
        monkeypatch.setattr(work, "open_store", open_store)
    return seen


@pytest.mark.parametrize("again", [False, True])
def test_an_ingest_beside_it_ends_without_the_image_or_in_one_line(pets, monkeypatch, again):
    """At each request of an ingest, of a new store and of one that has a version."""
    if again:
        ingest(str(pets / "in"), pets / "before", store=str(pets / "store"))
        fill(pets / "in", {"cat/new.png": PETS["cat/03.png"] + b"more"})
    else:
        (pets / "store").mkdir()
    shutil.copytree(pets / "store", pets / "kept")
    requests = len(ingest_with(pets, monkeypatch, 0))
    ends = set()
    for number in range(1, requests + 1, EVERY):
        for folder in (pets / "store", pets / "out"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(pets / "kept", pets / "store")
        try:
            ingest_with(pets, monkeypatch, number)
            ends.add("ended well")
        except BadInputError as error:
            ends.add(str(error).rpartition("; ")[2])
        forget(pets)  # as the line says; where it went well, nothing is to be done
        dataset, _, _ = ingest(str(pets / "in"), pets / "out", store=str(pets / "store"))
        assert ID not in dataset.column("id")
        assert held(pets) == []
    assert ends == {"ended well", "run gleaner forget again, which takes out what came in meanwhile, and then this"}


def test_what_a_killed_ingest_left_is_packed_again_without_it(pets, monkeypatch):
    """Parts that were packed before, whose shards and results hold the image."""

    class KilledError(BaseException):
        pass

    def die(*_: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr("components.ingest.stage.merge", die)
        with pytest.raises(KilledError):
            ingest(str(pets / "in"), pets / "out", store=str(pets / "store"))
    assert len(held(pets)) == 3  # a shard, a table of thumbnails, a result
    from components.common.forgotten import tombstone_key

    open_store(str(pets / "store")).write(tombstone_key(ID), b"{}")  # and nothing else, as where it came just now
    dataset, _, _ = ingest(str(pets / "in"), pets / "out", store=str(pets / "store"))
    assert ID not in dataset.column("id")
    assert len(dataset.column("id")) == len(PETS) - 1
    assert held(pets) == []


def test_it_leaves_what_a_killed_ingest_left(pets, monkeypatch):
    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("components.ingest.stage.merge", die)
        with pytest.raises(KeyboardInterrupt):
            ingest(str(pets / "in"), pets / "out", store=str(pets / "store"))
    forget(pets)
    assert held(pets) == []


def test_bytes_that_no_index_names_go_too(pets):
    """A later version lacks the image, whose bytes stay in a shard that it shares with the first, which is removed."""
    store = open_store(str(pets / "store"))
    first, _, _ = ingest(str(pets / "in"), pets / "first", store=str(pets / "store"))
    (pets / "in" / IMAGE).unlink()
    second, _, _ = ingest(str(pets / "in"), pets / "second", store=str(pets / "store"))
    assert {shard.key for shard in first.shards} == {shard.key for shard in second.shards}
    shutil.rmtree(pets / "store" / "datasets" / "pets" / first.id)
    assert held(pets)
    forget(pets)
    assert held(pets) == []
    now = newest_dataset("pets", store)
    assert now is not None
    assert list(now.column("id")) == list(second.column("id"))
    assert now.id != second.id


def test_a_dataset_of_one_image_is_gone_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fill(tmp_path / "in", {IMAGE: PETS[IMAGE]})
    ingest(str(tmp_path / "in"), tmp_path / "out", store=str(tmp_path / "store"))
    forget(tmp_path)
    assert held(tmp_path) == []
    assert newest_dataset("pets", open_store(str(tmp_path / "store"))) is None
    assert load_dataset(tmp_path / "out" / "dataset").index.num_rows == 1  # an artifact elsewhere: --also names it
