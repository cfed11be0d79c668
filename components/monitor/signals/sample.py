"""The images of a look and those of the reference, as arrays that tests compare."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common.errors import BadInputError
from components.monitor.observed import Observed

LOOKS = ("brightness", "size", "sharpness")
FIGURES = (*LOOKS, "confidence", "entropy")


class Held(NamedTuple):
    """Labelled images of the reference, that the model has not learned from."""

    confidence: np.ndarray  # (n,) float64
    correct: np.ndarray  # (n,) bool


class Sample(NamedTuple):
    """Images as the model sees them, a row each."""

    embeddings: np.ndarray  # (n, features) float16 or float32
    predicted: np.ndarray  # (n,) index into the classes
    figures: dict[str, np.ndarray]  # of FIGURES those that are known, each without the images that lack it
    abstain: np.ndarray | None = None  # (n,) bool; None where the release has no threshold, or nothing is known


class Compared(NamedTuple):
    """What a look compares."""

    classes: Sequence[str]
    known: Sample  # those of the reference that stand for what arrives at present
    seen: Sample
    confusion: np.ndarray  # (k, k) counts on held-out labels: rows are true classes, columns predicted ones
    held: Held | None  # None where the reference knows no labels
    lacks: str = ""  # the sentence what the reference lacks


def compared(observed: Observed) -> Compared:
    """The arrays of an artifact; BadInputError where its parts do not fit together."""
    classes, reference = observed.about["classes"], observed.reference
    known = _sample(present(reference), classes, "reference.parquet")
    seen = _sample(observed.table, classes, "observed.parquet")
    widths = known.embeddings.shape[1], seen.embeddings.shape[1]
    if widths[0] != widths[1] and len(seen.embeddings):
        raise BadInputError(
            f"observed.parquet: embeddings of {widths[1]} numbers, but {widths[0]} in the release's reference.parquet; "
            "expected answers of one release; collect again"
        )
    held = _held(reference, classes)
    lacks = (
        ""
        if held is not None
        else (
            "The release's reference knows no labels, entropies and thresholds, as those of earlier versions: expected "
            "accuracy, entropy and abstentions are not compared. Release again to have them."
        )
    )
    return Compared(classes, known, seen, _confusion(observed.reference_about, classes), held, lacks)


def present(reference: pa.Table) -> pa.Table:
    """The images of a reference that stand for what arrives at present: those that are marked, or all where none is."""
    if "present" not in reference.column_names or not pc.any(reference["present"]).as_py():
        return reference
    return reference.filter(reference["present"])


def embeddings_of(table: pa.Table) -> np.ndarray:
    """The column `embedding` (n, features), float16, without a copy where it is in one piece."""
    column = table.column("embedding").combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # Arrow gives back no chunk of no rows, and several of very many
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), -1) if len(column) else np.empty((0, 0), np.float16)


def _sample(table: pa.Table, classes: Sequence[str], name: str) -> Sample:
    figures = {figure: _finite(table, figure) for figure in FIGURES if figure in table.column_names}
    abstain = table.column("abstain") if "abstain" in table.column_names else None
    known = abstain is not None and len(abstain) > abstain.null_count == 0
    return Sample(
        embeddings_of(table),
        _places(table.column("predicted"), classes, name),
        {figure: values for figure, values in figures.items() if len(values)},
        abstain.to_numpy(zero_copy_only=False).astype(bool) if abstain is not None and known else None,
    )


def _finite(table: pa.Table, name: str) -> np.ndarray:
    values = table.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
    return values[np.isfinite(values)]


def _places(column: pa.ChunkedArray, classes: Sequence[str], name: str) -> np.ndarray:
    places = {each: place for place, each in enumerate(classes)}
    said = column.to_pylist()
    strange = sorted({str(each) for each in said} - places.keys())
    if strange:
        raise BadInputError(
            f"{name}: predicted class {strange[0]!r} is none of the release's {len(classes)} classes; expected answers "
            "of this release; collect again"
        )
    return np.array([places[each] for each in said], np.int64)


def _held(reference: pa.Table, classes: Sequence[str]) -> Held | None:
    """None for a reference of format 1."""
    if "label" not in reference.column_names:
        return None
    label, predicted = (np.array(reference.column(name).to_pylist(), object) for name in ("label", "predicted"))
    rows = np.array([each in set(classes) for each in label], bool)
    confidence = reference.column("confidence").to_numpy(zero_copy_only=False).astype(np.float64)
    return Held(confidence[rows], label[rows] == predicted[rows])


def _confusion(about: dict[str, Any], classes: Sequence[str]) -> np.ndarray:
    """Of reference.json, its classes brought into the order of the release's."""
    said = about["confusion"]
    counts = np.zeros((len(classes), len(classes)), np.int64)
    places = [list(classes).index(each) for each in said["classes"]] if set(said["classes"]) <= set(classes) else []
    if places:
        counts[np.ix_(places, places)] = said["counts"]
    return counts
