"""Looks at a synthetic model in a store, and what decide makes of them."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.errors import BadInputError
from components.common.files import read_json, sha256_bytes, write_json
from components.common.storage import Store, open_store
from components.monitor import looks
from components.monitor.decide.stage import run
from components.monitor.settings import MonitorSettings

MODEL, VERSION = "digits", "0123456789abcdef"
PIPELINE = "gleaner-training-digits"
PINNED = f"{PIPELINE}-0123456789ab"
TRAINING: dict[str, Any] = {
    "kubeflow": {"pipeline": PIPELINE, "version": PINNED, "experiment": "watch", "service_account": "robot"},
    "parameters": {
        "name": MODEL,
        "source": "s3://bucket/images",
        "sample_train_budget": 60,
        "sample_label_access": "store",
        "sample_labels_file": "none",
        "settings": {"seed": 7, "sample": {"test_budget": 40}},
    },
}
LOCAL = {"local": {"config": "my.yaml", "overrides": []}, "parameters": TRAINING["parameters"]}


def verdict(alarm: bool = True, cannot_tell: bool = False) -> dict[str, Any]:
    why = ["Embeddings have moved (p 0.00002).", "12 % of the images are new to the model."] if alarm else []
    title = "The inputs have changed" if alarm else "Nothing has changed"
    return {"alarm": alarm, "cannot_tell": cannot_tell, "title": title, "why": why, "since": None}


def look(store: Store, number: int, alarm: bool = True, candidates: int = 40, version: str = VERSION) -> dict[str, Any]:
    """Publish a look; returns its drift.json."""
    drift = {
        "format": 1,
        "model": MODEL,
        "version": version,
        "release": f"{store.uri}/releases/{MODEL}",
        "store": store.uri,
        "number": number,
        "until": f"2026-03-{number:02d}T06:00:00+00:00",
        "verdict": verdict(alarm),
    }
    table = io.BytesIO()
    ids = [sha256_bytes(f"{number} {each}".encode()) for each in range(candidates)]
    pq.write_table(pa.table({"id": pa.array(ids, pa.string())}), table)
    files = {"drift.html": b"<html>", **({"candidates.parquet": table.getvalue()} if candidates else {})}
    assert looks.publish(store, MODEL, drift, files)
    return drift


def write_drift(folder: Path, drift: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "drift.json", drift)
    return folder


def decided(
    folder: Path, drift: dict[str, Any], training: dict[str, Any] | None = None, **settings: Any
) -> dict[str, Any]:
    """decision.json of one look."""
    given = MonitorSettings(**{"train": True, **settings})
    out = folder / "decision"
    run(drift["release"], write_drift(folder / "drift", drift), given, TRAINING if training is None else training, out)
    found: dict[str, Any] = read_json(out / "decision.json")
    return found


def mistake(folder: Path, drift: dict[str, Any], training: dict[str, Any] | None = None, **settings: Any) -> str:
    """The one line by which decide refuses."""
    with pytest.raises(BadInputError) as told:
        decided(folder, drift, training, **settings)
    assert "\n" not in str(told.value)
    return str(told.value)


def store_in(folder: Path) -> Store:
    return open_store(str(folder / "store"))


def at(monkeypatch: pytest.MonkeyPatch, time: str) -> None:
    """Let it be a day, at six, or a time."""
    monkeypatch.setenv("GLEANER_NOW", time if "T" in time else f"{time}T06:00:00+00:00")
