"""What people are asked is found by its round, and read whole or not at all."""

import io
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.artifacts import CANDIDATES, CLUSTERS
from components.common.files import json_text
from components.common.storage import FolderStore, IntegrityError, Store, open_store
from components.labels.candidates import newest_candidates

PICK = {
    "id": "a" * 64,
    "rank": 1,
    "purpose": "train",
    "reason": "random draw",
    "nearest": None,
    "cluster": 3,
    "label": None,
}


def publish(store: Store, digest: str, **about: Any) -> str:
    key = f"candidates/digits/{digest}"
    tables = {"candidates": ([PICK], CANDIDATES), "clusters": ([{"id": "a" * 64, "cluster": 3}], CLUSTERS)}
    for name, (rows, schema) in tables.items():
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
        store.write(f"{key}/{name}.parquet", file.getvalue())
    store.write(f"{key}/summary.json", json_text({"format": 1, **about}).encode())
    return key


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path)
    return open_store(request.getfixturevalue("s3_bucket") + "/some/prefix")


def test_the_highest_round_is_asked_and_read_as_it_was_written(store: Store) -> None:
    assert newest_candidates(store, "digits") is None
    publish(store, "ffff", round=1)
    key = publish(store, "aaaa", round=2)
    publish(store, "bbbb", round=1)
    publish(store, "cccc")  # by a version that knew no rounds
    found = newest_candidates(store, "digits")
    assert found is not None
    assert (found.key, found.round) == (key, 2)
    assert found.picks().to_pylist() == [PICK]
    assert found.clusters().to_pylist() == [{"id": "a" * 64, "cluster": 3, "distance": None}]
    assert newest_candidates(store, "digit") is None


def test_of_one_round_the_last_published_is_asked(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for minute, digest in enumerate(("bbbb", "cccc", "aaaa")):
        key = publish(store, digest, round=1)
        os.utime(tmp_path / key / "summary.json", (minute * 60, minute * 60))
    found = newest_candidates(store, "digits")
    assert found is not None
    assert found.key == "candidates/digits/aaaa"


def test_what_is_gone_or_broken_is_named(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    key = publish(store, "aaaa", round=1)
    found = newest_candidates(store, "digits")
    assert found is not None
    (tmp_path / key / "candidates.parquet").write_bytes(b"PAR1")
    (tmp_path / key / "clusters.parquet").unlink()
    with pytest.raises(IntegrityError, match=r"candidates\.parquet: no table of candidates that can be read"):
        found.picks()
    with pytest.raises(IntegrityError, match=r"clusters\.parquet: no table .* remove candidates/digits/aaaa/ and run"):
        found.clusters()
