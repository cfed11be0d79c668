"""What a source says of its images beside labels and texts: `attributes.parquet`, beside the index of a dataset.

Written by ingest where the source is a table with more columns than it needs: `id` and one column of strings for each
of them, a row for every image of the index, in its order; null where the table says nothing, or several things.
dataset.json then holds `attributes`, the digest of the rows, which the id of the dataset covers.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from components.common.errors import BadInputError
from components.common.files import json_text
from components.common.parquet import read_table

FILE = "attributes.parquet"
ROWS = 10_000  # that are digested at a time; digests depend on it


def load_attributes(dataset: Path) -> pa.Table | None:
    """The attributes in the folder of a dataset: `id` and columns of strings; None where its source has none."""
    path = dataset / FILE
    if not path.is_file():
        return None
    table = read_table(path)
    if table.column_names[:1] != ["id"] or any(kind != pa.string() for kind in table.schema.types):
        raise BadInputError(f"{path}: expected a column id and columns of strings; found {table.schema.names}")
    return table


def digest_of(attributes: pa.Table) -> str:
    """What dataset.json records of the attributes, whichever release of pyarrow wrote them."""
    return digest_rows(attributes.slice(start, ROWS) for start in range(0, len(attributes), ROWS))


def digest_rows(tables: Iterable[pa.Table]) -> str:
    """The same, of tables of ROWS rows each, the last of what is left."""
    digest = hashlib.sha256()
    for table in tables:
        digest.update(json_text(table.to_pydict()).encode())
    return digest.hexdigest()
