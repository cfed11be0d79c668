"""Write what the source's table says of the images of a version, beside labels and texts."""

from collections.abc import Iterator
from functools import reduce
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.attributes import ROWS, digest_rows
from components.common.files import new_file
from components.ingest.source.attributes import agreed, values_of
from components.ingest.version.inventory import Inventory

TOLD = """SELECT f.id, f.attributes FROM files f JOIN images i USING (id) WHERE f.attributes IS NOT NULL
    ORDER BY f.id, f.rank, f.key"""
BY_IMAGE = "SELECT id, told FROM images LEFT JOIN attributes USING (id) WHERE aside = '' ORDER BY id"


def write_attributes(inventory: Inventory, path: Path) -> str:
    """Write attributes.parquet (components/common/attributes.py) and return its digest; "" without any file where the
    source has none. A value stands where all files of the image's bytes that have one agree.
    """
    if not inventory.attributes:
        return ""
    files = groupby(inventory.rows(TOLD), key=lambda row: str(row[0]))
    folded = ((image, reduce(agreed, (told for _, told in rows))) for image, rows in files)
    inventory.db.executemany("INSERT INTO attributes VALUES (?,?)", folded)
    schema = pa.schema([(name, pa.string()) for name in ("id", *inventory.attributes)])
    with new_file(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        return digest_rows(_written(inventory, schema, writer))


def _written(inventory: Inventory, schema: pa.Schema, writer: pq.ParquetWriter) -> Iterator[pa.Table]:
    """Tables of ROWS images, each once it is written."""
    cursor = inventory.db.execute(BY_IMAGE)
    while rows := cursor.fetchmany(ROWS):
        values = ((image, *values_of(told, inventory.attributes)) for image, told in rows)
        columns = [pa.array(column, pa.string()) for column in zip(*values, strict=True)]
        table = pa.Table.from_arrays(columns, schema=schema)
        writer.write_table(table)
        yield table
