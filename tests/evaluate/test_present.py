"""Which images stand for what arrives at present: those that came since the dataset of a champion."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.common.artifacts import INDEX, Dataset
from components.common.files import json_text
from components.common.parquet import save_table
from components.common.storage import Store, open_store
from components.evaluate import present
from components.evaluate.champion import Champion
from components.evaluate.present import LEAST, arrived


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def data(tiny_world: Any) -> Dataset:
    return replace(tiny_world.data, name="digits")


def every(data: Dataset, step: int) -> np.ndarray:
    return np.arange(0, len(data.index), step)


def others(data: Dataset, rows: np.ndarray) -> np.ndarray:
    return np.setdiff1d(every(data, 1), rows)


def held_out(data: Dataset, rows: np.ndarray) -> list[int]:
    return [row for row in rows.tolist() if data.column("split")[row] != "train"]


def keep(store: Store, data: Dataset, version: str, rows: np.ndarray, folder: Path) -> None:
    """A version of the dataset that holds some rows of it."""
    file = folder / f"{version}.parquet"
    save_table(file, data.index.take(pa.array(rows)), INDEX)
    store.write(f"datasets/digits/{version}/index.parquet", file.read_bytes())


def champion(about: dict[str, Any]) -> Champion:
    return Champion("now", SimpleNamespace(about=about), "")  # type: ignore[arg-type]


def test_without_a_champion_nothing_came_since(data, store):
    assert arrived(data, None, store).tolist() == []
    assert arrived(data, champion({}), store).tolist() == []


def test_what_came_since_the_champion_is_held_out_images_alone(data, store, tmp_path):
    came = every(data, 2)
    keep(store, data, "d1", others(data, came), tmp_path)
    rows = arrived(data, champion({"digests": {"dataset": "d1"}}), store)
    assert rows.tolist() == held_out(data, came)
    assert len(rows) >= LEAST


def test_where_too_few_came_the_champion_before_is_asked(data, store, tmp_path, monkeypatch):
    first, second = every(data, 2), every(data, 20)  # what came since d1, and since d2
    keep(store, data, "d1", others(data, first), tmp_path)
    keep(store, data, "d2", others(data, second), tmp_path)
    releases = {"releases/digits/before/": {"digests": {"dataset": "d1"}, "compared_with": ""}}
    monkeypatch.setattr(present, "verified_release", lambda _, folder: releases[folder])
    now = champion({"digests": {"dataset": "d2"}, "compared_with": "before"})
    assert arrived(data, now, store).tolist() == held_out(data, first)
    releases["releases/digits/before/"]["digests"] = {"dataset": "d2"}
    assert arrived(data, now, store).tolist() == []


def test_a_dataset_or_a_release_that_is_gone_ends_the_search(data, store, tmp_path):
    assert arrived(data, champion({"digests": {"dataset": "gone"}}), store).tolist() == []
    keep(store, data, "d1", every(data, 1), tmp_path)
    store.write("releases/digits/torn/release.json", json_text({"format": 99}).encode())
    for before in ("gone", "torn"):
        now = champion({"digests": {"dataset": "d1"}, "compared_with": before})
        assert arrived(data, now, store).tolist() == []
