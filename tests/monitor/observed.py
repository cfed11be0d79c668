"""Artifacts `observed/` of a synthetic model, whose images drift as far as a test asks for."""

import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.common.files import json_text, sha256_bytes
from components.common.metrics import entropy, softmax
from components.monitor.observed import SCHEMA, save

CLASSES = ["ant", "bee", "cat"]
FEATURES = 16
NOW = datetime.fromisoformat("2026-03-02T06:00:00+00:00")
THRESHOLD = 0.6  # below which the model abstains


def make(
    folder: Path,
    images: int = 400,
    reference: int = 600,
    shift: float = 0.0,
    share: float = 1 / 3,
    novel: int = 0,
    brighter: float = 0.0,
    reference_format: int = 2,
    seed: int = 0,
    **about: Any,
) -> Path:
    """Write an artifact whose images come from the reference's distribution, changed as asked; returns the folder.

    shift: how far all embeddings are turned towards one direction, 1 for 45 degrees. share: of the first class among
    the images. novel: images, of all, that lie far from every class. brighter: added to the brightness. about: what is
    to differ in observed.json (number, since, until, why, store and so on).
    """
    rng = np.random.default_rng([seed, 1])
    seen = _rows(rng, images, share, shift, novel, brighter)
    said = {**_about(images), **about}
    since, until = (datetime.fromisoformat(said[name]) for name in ("since", "until"))
    steps = np.sort(rng.random(images)) * (until - since).total_seconds()
    columns = {
        **_columns(seen),
        "id": [sha256_bytes(f"{seed} {number} {shift} {share}".encode()) for number in range(images)],
        "time": [since + timedelta(seconds=float(step)) for step in steps],
        "version": [said["version"]] * images,
        "probabilities": list(seen["probabilities"].astype(np.float32)),
        "embedding": list(seen["embedding"].astype(np.float16)),
        "where": [None] * images,
    }
    table = pa.Table.from_arrays([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)
    save(folder, said, table, files(reference, reference_format))
    return folder


def files(images: int = 600, reference_format: int = 2) -> dict[str, bytes]:
    """The files of a reference, by name, of that format."""
    known = _rows(np.random.default_rng(7), images, 1 / 3, 0.0, 0, 0.0)
    return {"reference.parquet": _parquet(known, reference_format), "reference.json": _summary(known, reference_format)}


def _about(images: int) -> dict[str, Any]:
    """observed.json of the first look at a release of no store."""
    return {
        "model": "pets",
        "version": "0123456789abcdef",
        "release": "/releases/pets/0123456789abcdef",
        "store": None,
        "classes": CLASSES,
        "thresholds": {"precision": {"wanted": 0.9, "threshold": THRESHOLD}, "conformal": {"quantile": None}},
        "temperature": 1.0,
        "source": "log",
        "place": "/store/log",
        "since": (NOW - timedelta(days=7)).isoformat(),
        "until": NOW.isoformat(),
        "images": images,
        "seen": images,
        "unreadable": 0,
        "others": {},
        "number": 1,
        "previous": None,
        "why": "",
    }


def _rows(
    rng: np.random.Generator, count: int, share: float, shift: float, novel: int, brighter: float
) -> dict[str, np.ndarray]:
    """What the model says of so many images, and how they look."""
    rest = (1 - share) / (len(CLASSES) - 1)
    true = rng.choice(len(CLASSES), count, p=[share, *[rest] * (len(CLASSES) - 1)])
    vectors = np.eye(FEATURES)[true] + 0.25 * rng.standard_normal((count, FEATURES))
    vectors[:, FEATURES - 1] += shift * np.linalg.norm(vectors, axis=1)
    vectors[:novel] = np.eye(FEATURES)[FEATURES // 2] + 0.1 * rng.standard_normal((novel, FEATURES))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return {
        "true": true,
        "embedding": vectors,
        "probabilities": softmax(8 * vectors[:, : len(CLASSES)]),
        "brightness": np.clip(0.5 + brighter + 0.1 * rng.standard_normal(count), 0, 1),
        "size": rng.integers(100, 200, count).astype(float),
        "sharpness": np.exp(rng.standard_normal(count) - 3),
    }


def _columns(rows: dict[str, np.ndarray]) -> dict[str, Any]:
    """The columns that observed.parquet and reference.parquet share, but for embeddings."""
    best = rows["probabilities"].max(axis=1)
    return {
        "predicted": [CLASSES[place] for place in rows["probabilities"].argmax(axis=1)],
        "confidence": best,
        "abstain": best < THRESHOLD,
        "entropy": entropy(rows["probabilities"]),
        **{name: rows[name] for name in ("brightness", "size", "sharpness")},
    }


def _parquet(rows: dict[str, np.ndarray], reference_format: int) -> bytes:
    """reference.parquet, two thirds of its images labelled."""
    count = len(rows["true"])
    labels = [CLASSES[place] if number % 3 else None for number, place in enumerate(rows["true"])]
    columns = {
        "id": [sha256_bytes(f"reference {number}".encode()) for number in range(count)],
        "embedding": pa.FixedSizeListArray.from_arrays(
            pa.array(rows["embedding"].astype(np.float16).ravel()), FEATURES
        ),
        **_columns(rows),
        "label": labels,
    }
    for name in ("confidence", "entropy", "brightness", "size", "sharpness"):
        columns[name] = pa.array(columns[name]).cast(pa.float32())
    for name in ("entropy", "abstain", "label") if reference_format == 1 else ():
        del columns[name]
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written)
    return written.getvalue()


def _summary(rows: dict[str, np.ndarray], reference_format: int) -> bytes:
    """reference.json of the same images."""
    columns, said = _columns(rows), rows["probabilities"].argmax(axis=1)
    labelled = np.arange(len(said)) % 3 > 0
    counts = np.zeros((len(CLASSES), len(CLASSES)), int)
    np.add.at(counts, (rows["true"][labelled], said[labelled]), 1)
    figures = ["confidence", "brightness", "size", "sharpness", *(["entropy"] if reference_format > 1 else [])]
    told = {
        "format": reference_format,
        "images": len(said),
        "seed": 0,
        "features": FEATURES,
        "temperature": 1.0,
        "predicted": {name: float(np.mean(said == place)) for place, name in enumerate(CLASSES)},
        "confusion": {"classes": CLASSES, "counts": counts.tolist()},
        "means": {name: float(np.mean(columns[name])) for name in figures},
        "spreads": {name: float(np.std(columns[name])) for name in figures},
    }
    return json_text(told).encode()
