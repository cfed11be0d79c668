"""An evaluation with everything that a report can have to say: a champion, slices, suspects, and the rest."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.common.artifacts import load_embeddings
from components.common.files import read_json, write_json
from components.common.parquet import read_table
from components.evaluate.measures.mistakes import clusters, confused
from components.evaluate.measures.paired import forgotten, paired
from components.evaluate.measures.risk import risk_coverage
from components.evaluate.measures.slices import QUARTERS, Compared, quarters, slices
from tests import tiny

SWITCHED = 0.5  # of the answers, that the champion shares with the warm-up model


def complete(world: tiny.World, evaluation: Path, folder: Path) -> Path:
    """A copy of an evaluation, in which the champion is a model between the warm-up and the final one."""
    shutil.copytree(evaluation, folder)
    table = read_table(folder / "predictions.parquet")
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    draws = np.random.default_rng(0)
    switched = draws.random(len(table)) < SWITCHED
    said = np.where(switched, columns["warmup_predicted"], columns["predicted"])
    right, then = columns["label"] == columns["predicted"], columns["label"] == said
    row_of = {image: row for row, image in enumerate(world.data.column("id"))}
    rows = np.array([row_of[image] for image in columns["id"]])
    x = np.asarray(load_embeddings(world.embeddings, world.data))[rows]
    about = read_json(folder / "metrics.json")
    about |= _compared(about, right, then, columns)
    numbers = {"brightness": x.mean(axis=1), "distance": np.linalg.norm(x - x.mean(axis=0), axis=1)}
    kinds = {name: quarters(values, QUARTERS[name]) for name, values in numbers.items()}
    kinds |= {"camera": draws.choice(["hall", "gate", "yard"], len(rows), p=[0.6, 0.38, 0.02])}
    about["slices"] = slices(kinds, right, 20, Compared(np.ones(len(rows), bool), then), numbers)
    about["confused"] = confused(about["classes"], np.array(about["confusion"]))
    about["risk_coverage"] = risk_coverage(columns["confidence"], right)
    wrong = ~right
    about["clusters"] = clusters(
        x[wrong], columns["id"][wrong], columns["label"][wrong], columns["predicted"][wrong], 0
    )
    sure = np.flatnonzero(wrong & (columns["confidence"] > 0.5))[:30]
    about["suspects"] = [
        {
            "id": columns["id"][i],
            "purpose": "test",
            "label": columns["label"][i],
            "suggested": columns["predicted"][i],
            "confidence": columns["confidence"][i],
        }
        for i in sure
    ]
    about["suspects_found"] = len(sure) + 7
    about["pseudolabels"] = health(about["classes"], draws)
    about["thresholds"] = THRESHOLDS
    about["precise"] = PRECISE
    write_json(folder / "metrics.json", about)
    table = table.append_column("champion_predicted", pa.array(said, pa.string()))
    table = table.append_column("champion_compared", pa.array(np.ones(len(rows), bool)))
    pq.write_table(table, folder / "predictions.parquet")
    write_json(folder / "gate.json", {**read_json(folder / "gate.json"), "decision": decision(about)})
    return folder


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
    "disagree": 31,
    "agreement": 0.964,
    "accuracy": 0.95,
    "accuracy_low": 0.93,
    "accuracy_high": 0.97,
}


def decision(about: dict[str, Any]) -> dict[str, Any]:
    points = 100 * about["against"]["champion"]["difference"]
    return {
        "ship": True,
        "title": "Ship it",
        "why": f"All gates passed; on the same test images it is {points:+.1f} points over the champion.",
        "against": "Against the champion 3f2a9c81d0e4 of the same dataset and the warm-up model.",
    }


def _compared(
    about: dict[str, Any], right: np.ndarray, then: np.ndarray, columns: dict[str, np.ndarray]
) -> dict[str, Any]:
    def against(other: np.ndarray, version: str | None, why: str) -> dict[str, Any]:
        found = paired(right, other, 0)
        return {
            "version": version,
            "dataset": about["provenance"]["dataset"]["id"],
            "same_dataset": True,
            "classes_shared": about["classes"],
            "only_here": [],
            "only_there": [],
            "images": len(right),
            "seen_in_training": 0,
            "accuracy_here": float(right.mean()),
            "accuracy_there": float(other.mean()),
            "difference": found.difference,
            "low": found.low,
            "high": found.high,
            "level": 0.95,
            "draws": 10000,
            "mended": found.mended,
            "made": found.made,
            "mcnemar_p": found.p,
            "ece_here": 0.02,
            "ece_there": 0.03,
            "why": why,
        }

    warm = columns["warmup_predicted"] == columns["label"]
    lines = [
        {
            **line,
            "small": line["support"] < 20,
            "champion_recall": float(then[columns["label"] == line["class"]].mean()),
        }
        for line in about["per_class"]
    ]
    return {
        "against": {
            "warmup": against(
                warm, None, "the final model is better than the warm-up model, and chance does not explain it"
            ),
            "champion": against(
                then, "3f2a9c81d0e4", "the final model is better than the champion, and chance does not explain it"
            ),
        },
        "forgotten": forgotten(right, then, columns["label"]),
        "per_class": lines,
    }
