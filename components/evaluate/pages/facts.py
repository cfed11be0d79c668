"""All that the report shows, read from the artifacts once."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from IPython.display import HTML

from components.common import charts, html
from components.common.artifacts import PROPAGATED, TRAIN, Dataset, load_dataset, load_embeddings, load_labels
from components.common.data.reader import ShardReader
from components.common.files import read_json
from components.common.metrics import PerClass, per_class
from components.common.parquet import read_table
from components.common.storage import open_store


@dataclass(frozen=True)
class Evaluation:
    """All that the report shows; `about` is metrics.json, `verdict` gate.json."""

    about: dict[str, Any]
    verdict: dict[str, Any]
    predictions: dict[str, np.ndarray]
    dataset: Dataset
    labels: pa.Table
    label: np.ndarray  # class index per image of the dataset, -1 without a label
    picked: np.ndarray  # whether the image is labelled for training
    embeddings: np.ndarray
    classifier: Path
    folder: Path  # of the evaluation
    store: str
    threads: int = field(default=1, compare=False)

    @property
    def names(self) -> list[str]:
        return self.about["classes"]

    @cached_property
    def matrix(self) -> np.ndarray:
        return np.array(self.about["confusion"], dtype=np.int64)

    @cached_property
    def per_class(self) -> PerClass:
        return per_class(self.matrix)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row in the dataset of each image, by id."""
        return {image: row for row, image in enumerate(self.dataset.column("id").tolist())}

    @cached_property
    def reader(self) -> ShardReader:
        return ShardReader(self.dataset, open_store(self.store))

    @cached_property
    def wrong(self) -> np.ndarray:
        """Places in `predictions` of the mistakes, the surest first."""
        places = np.flatnonzero(self.predictions["label"] != self.predictions["predicted"])
        return places[np.argsort(-self.predictions["confidence"][places], kind="stable")]


def load(
    dataset: str, embeddings: str, labels: str, classifier: str, evaluation: str, store: str, *, threads: int = 1
) -> Evaluation:
    """Read the artifacts; all arguments but `store` and `threads` are folders."""
    data = load_dataset(Path(dataset))
    entries, labels_about = load_labels(Path(labels))
    row_of = {image: row for row, image in enumerate(data.column("id"))}
    class_of = {name: index for index, name in enumerate(labels_about["classes"])}
    label = np.full(len(row_of), -1)
    picked = np.zeros(len(row_of), dtype=bool)
    for entry in entries.select(["id", "label", "purpose", "source"]).to_pylist():
        if entry["source"] == PROPAGATED:  # nobody said so
            continue
        row = row_of[entry["id"]]
        label[row] = class_of[entry["label"]]
        picked[row] = entry["purpose"] == TRAIN
    folder = Path(evaluation)
    predictions = read_table(folder / "predictions.parquet")
    columns = {name: predictions.column(name).to_numpy(zero_copy_only=False) for name in predictions.column_names}
    return Evaluation(
        read_json(folder / "metrics.json"),
        read_json(folder / "gate.json"),
        columns,
        data,
        entries,
        label,
        picked,
        load_embeddings(Path(embeddings), data),
        Path(classifier),
        folder,
        store,
        threads,
    )


def style() -> HTML:
    """The style of the report, for those who read it as a notebook; the page has its own."""
    own = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return HTML(f"<style>{html.STYLE}{charts.STYLE}{own}</style>")
