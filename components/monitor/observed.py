"""What one look is made from: the images that a release answered for in a window, beside its reference.

observed/observed.parquet  an image each (SCHEMA), in the order of time
observed/observed.json     model, version, window, how many images there were, and why nothing can be told (`why`)
observed/reference.parquet, reference.json  as the release holds them (components/evaluate/reference.py); neither where
                                            no release is the champion yet
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from components.common.errors import BadInputError
from components.common.files import new_folder, read_json, write_json
from components.common.parquet import load_table, read_table, save_table
from components.common.served import ROWS

FORMAT = 1
REFERENCE = ("reference.parquet", "reference.json")
SCHEMA = pa.schema(
    [
        *(field for field in ROWS if field.name != "pixels"),
        pa.field("where", pa.string()),  # path or URI of the image; null of an answer of a server
        pa.field("entropy", pa.float32()),  # of the probabilities, in nats
    ]
)


class Observed(NamedTuple):
    """The artifact, read."""

    about: dict[str, Any]  # observed.json
    table: pa.Table  # of SCHEMA
    reference: pa.Table
    reference_about: dict[str, Any]  # reference.json


def save(folder: Path, about: dict[str, Any], table: pa.Table, reference: Mapping[str, bytes]) -> None:
    """Write the artifact, whole or not at all. about: observed.json but its format; reference: its files by name."""
    with new_folder(folder) as new:
        for name, data in reference.items():
            if name in REFERENCE:
                (new / name).write_bytes(data)
        save_table(new / "observed.parquet", table, SCHEMA)
        write_json(new / "observed.json", {"format": FORMAT, **about})


def load(folder: Path) -> Observed:
    """Read the artifact; BadInputError where it is none."""
    path = folder / "observed.json"
    if not path.is_file():
        raise BadInputError(f"{folder}: holds no observed.json; expected the output of components.monitor.collect")
    table = load_table(folder / "observed.parquet", SCHEMA)
    if not (folder / REFERENCE[0]).is_file():
        return Observed(read_json(path), table, SCHEMA.empty_table(), {})
    return Observed(
        read_json(path), table, read_table(folder / "reference.parquet"), read_json(folder / "reference.json")
    )
