"""An evaluation with everything that a report can have to say: a champion, thresholds, a second opinion."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.common.files import read_json, write_json
from components.common.parquet import read_table, save_table
from components.evaluate.gates import decision, judge
from components.evaluate.measures.paired import forgotten, paired
from components.evaluate.predictions import PREDICTIONS
from components.evaluate.settings import EvaluateSettings

SWITCHED = 0.5  # of the answers, that the champion shares with the warm-up model
VERSION = "3f2a9c81d0e4"


def complete(evaluation: Path, folder: Path) -> Path:
    """A copy of an evaluation, in which the champion is a model between the warm-up and the final one."""
    shutil.copytree(evaluation, folder)
    table = read_table(folder / "predictions.parquet")
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    draws = np.random.default_rng(0)
    said = np.where(draws.random(len(table)) < SWITCHED, columns["warmup_predicted"], columns["predicted"])
    right, then = columns["label"] == columns["predicted"], columns["label"] == said
    about = read_json(folder / "metrics.json")
    about["against"]["champion"] = {**about["against"]["warmup"], **champion(right, then)}
    about["forgotten"] = forgotten(right, then, columns["label"])
    for line in about["per_class"]:
        line["champion_recall"] = float(then[columns["label"] == line["class"]].mean())
    for line in about["slices"]:
        line["champion_accuracy"] = line["accuracy"] * 0.97
    about |= {"pseudolabels": health(about["classes"], draws), "thresholds": THRESHOLDS, "precise": PRECISE}
    write_json(folder / "metrics.json", about)
    new = {
        "champion_predicted": pa.array(said, pa.string()),
        "champion_confidence": table.column("confidence"),
        "champion_compared": pa.array(np.ones(len(table), bool)),
    }
    save_table(folder / "predictions.parquet", with_columns(table, new), PREDICTIONS)
    gates = judge(EvaluateSettings().gates, about)
    decided = decision(gates, about)
    write_json(folder / "gate.json", {"format": 2, "passed": decided["ship"], "decision": decided, "gates": gates})
    return folder


def with_columns(table: pa.Table, columns: dict[str, Any]) -> pa.Table:
    return pa.table({name: columns.get(name, table.column(name)) for name in table.column_names})


def champion(right: np.ndarray, then: np.ndarray) -> dict[str, Any]:
    """What differs in `against` of metrics.json from the comparison with the warm-up model."""
    found = paired(right, then, 0)
    return {
        "version": VERSION,
        "accuracy_there": float(then.mean()),
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "mended": found.mended,
        "made": found.made,
        "mcnemar_p": found.p,
        "why": f"{100 * found.difference:+.1f} points on the same {found.images:,} test images",
    }


def health(names: list[str], draws: np.random.Generator) -> dict[str, Any]:
    """How a training on pseudo-labels of ten reports went."""
    labels, said, sure = draws.dirichlet(np.full(len(names), 30.0), 3).tolist()
    return {
        "images": 900,
        "agreement": 0.91,
        "confident": 0.83,
        "entropy": 0.98,
        "classes": [
            {"class": name, "labels": a, "predicted": b, "confident": c}
            for name, a, b, c in zip(names, labels, said, sure, strict=True)
        ],
        "mask_rate": 0.88,
        "curve": [{"step": 50 * k, "confident": 0.9 - 0.6 / k} for k in range(1, 11)],
        "handed_on": False,
        "why": "the new model holds: of 50 validation images it corrects 6 and spoils 1",
    }


THRESHOLDS: dict[str, Any] = {
    "precision": {
        "wanted": 0.99,
        "threshold": 0.97,
        "abstained": 0.12,
        "images": 400,
        "why": "above 0.97, at least 99 answers in 100 are right, with 95 % confidence (Clopper-Pearson)",
        "precision_test": 0.993,
        "low": 0.98,
        "high": 0.998,
        "abstained_test": 0.131,
    },
    "conformal": {
        "coverage": 0.9,
        "score": "1 - probability of the true class",
        "quantile": 0.42,
        "images": 400,
        "why": "the quantile of 400 calibration images",
        "coverage_test": 0.91,
        "low": 0.88,
        "high": 0.94,
        "mean_size": 1.1,
    },
}
PRECISE: dict[str, Any] = {
    "images": 2000,
    "models": 4,
    "views": 8,
    "passes": 4,
    "disagree": 31,
    "agreement": 0.964,
    "sure": 0.9,
    "mutual_information": 0.02,
    "test_images": 495,
    "accuracy": 0.95,
    "low": 0.93,
    "high": 0.97,
    "accuracy_alone": 0.94,
    "why": "on 31 of 2,000 images of the pool the ensemble surely says another class",
}
