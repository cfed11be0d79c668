"""Classes with a training label, which a classifier can predict, and those without one, which it cannot."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.common.artifacts import TRAIN
from components.common.errors import BadInputError

SHOWN = 10  # names in a sentence


@dataclass(frozen=True)
class Classes:
    names: list[str]  # all, in the order of labels.json
    trained: list[str]  # those with a training label, in the same order: the outputs of the classifier

    @property
    def missing(self) -> list[str]:
        """Names of the classes without a training label."""
        trained = set(self.trained)
        return [name for name in self.names if name not in trained]

    @property
    def columns(self) -> np.ndarray:
        """Place among `names` of each output of the classifier, int64 (trained,)."""
        place = {name: index for index, name in enumerate(self.names)}
        return np.array([place[name] for name in self.trained], dtype=np.int64)

    def spread(self, logits: np.ndarray) -> np.ndarray:
        """Logits (images, trained) with a column for each of `names`: -inf, a probability of 0, for those the model
        cannot predict.
        """
        wide = np.full((len(logits), len(self.names)), -np.inf, dtype=logits.dtype)
        wide[:, self.columns] = logits
        return wide

    def told(self) -> str:
        """How many classes have no training label, and which: `2 of 10 (cat, dog)`."""
        more = f" and {len(self.missing) - SHOWN:,} more" if len(self.missing) > SHOWN else ""
        return f"{len(self.missing):,} of {len(self.names):,} ({', '.join(self.missing[:SHOWN])}{more})"


def classes_of(labels: pa.Table, names: list[str]) -> Classes:
    """Which of the classes the labels can teach. names: `classes` of labels.json."""
    rows = zip(labels.column("label").to_pylist(), labels.column("purpose").to_pylist(), strict=True)
    taught = {label for label, purpose in rows if purpose == TRAIN}
    return Classes(names, [name for name in names if name in taught])


def check_trained(classes: Classes, about: dict[str, Any], classifier: Path) -> None:
    """Raise BadInputError where a classifier (`about`: classifier.json) was trained on labels of other classes."""
    if about["classes"] != classes.trained:
        raise BadInputError(
            f"{classifier}: knows the classes {about['classes']}, the labels teach {classes.trained}; "
            "train on these labels again"
        )
