"""What is told of images as tables: parts in Parquet, the output as CSV, JSON Lines or Parquet.

CSV has the columns image, class, confidence, abstain, set, class_2, confidence_2 …, error, and perhaps embedding; sets
and embeddings are JSON in it.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.errors import BadInputError
from components.predict.answering import Row
from components.predict.settings import PredictSettings

FORMATS = (".csv", ".jsonl", ".ndjson", ".parquet")
DIGITS = 6  # of confidences in CSV
SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("class", pa.string()),
        ("confidence", pa.float64()),
        ("abstain", pa.bool_()),  # null where the release promises nothing
        ("set", pa.list_(pa.string())),
        ("top", pa.list_(pa.struct([("class", pa.string()), ("confidence", pa.float64())]))),
        ("error", pa.string()),  # why the image could not be read; then all else is null
    ]
)
EMBEDDING = pa.field("embedding", pa.list_(pa.float32()))  # of unit length

Write = Callable[[pa.Table], None]


def check_format(output: str) -> None:
    """BadInputError where the name of an output does not say how it is to be written."""
    if Path(output).suffix.lower() not in FORMATS:
        raise BadInputError(f"{output}: expected a name that ends in {', '.join(FORMATS)}")


def part_table(rows: Sequence[Row], embedding: bool) -> pa.Table:
    schema = SCHEMA.append(EMBEDDING) if embedding else SCHEMA
    return pa.Table.from_arrays([pa.array([row.get(f.name) for row in rows], f.type) for f in schema], schema=schema)


def part_bytes(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def as_object(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON says it: the image and why it could not be read, or all that is told of it."""
    if row.get("error") is not None:
        return {"image": row["image"], "error": row["error"]}
    told = {key: value for key, value in row.items() if key != "error"}
    if "embedding" in told:
        told["embedding"] = [float(value) for value in told["embedding"]]
    return told


@contextmanager
def written(path: Path, output: str, settings: PredictSettings) -> Iterator[Write]:
    """Write tables to a file one after the other, in the format that the output's name says."""
    kind = Path(output).suffix.lower()
    if kind == ".parquet":
        schema = SCHEMA.append(EMBEDDING) if settings.embedding else SCHEMA
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            yield writer.write_table
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if kind != ".csv":
            yield lambda table: file.writelines(
                json.dumps(as_object(row), ensure_ascii=False) + "\n" for row in table.to_pylist()
            )
            return
        lines = csv.writer(file, lineterminator="\n")
        more = [f"{name}_{place}" for place in range(2, settings.top + 1) for name in ("class", "confidence")]
        last = ["embedding"] if settings.embedding else []
        lines.writerow(["image", "class", "confidence", "abstain", "set", *more, "error", *last])
        yield lambda table: lines.writerows(_line(row, len(more), bool(last)) for row in table.to_pylist())


def _line(row: dict[str, Any], more: int, embedding: bool) -> list[str]:
    """A row of CSV; what is not told is empty."""
    others = [cell for one in (row["top"] or [])[1:] for cell in (one["class"], f"{one['confidence']:.{DIGITS}f}")]
    vector = [json.dumps([round(value, DIGITS) for value in row["embedding"] or []])] if embedding else []
    return [
        row["image"],
        row["class"] or "",
        "" if row["confidence"] is None else f"{row['confidence']:.{DIGITS}f}",
        "" if row["abstain"] is None else str(row["abstain"]).lower(),
        "" if row["set"] is None else json.dumps(row["set"], ensure_ascii=False),
        *others,
        *[""] * (more - len(others)),
        row["error"] or "",
        *vector,
    ]
