"""What a server keeps of its answers, and how it is read: a sample of embeddings and predictions, for whoever watches
for drift. It holds no pixels, unless the server was asked to keep them.

    <log>/<model>/<day>/<time>-<random>.parquet    a batch of rows (ROWS), written whole and never changed
"""

import io
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.common.parquet import read_table
from components.common.storage import Store

ROWS = pa.schema(
    {
        "id": pa.string(),  # sha256 of the bytes that came: of the image file, or of the pixels of a tensor
        "time": pa.timestamp("us", "UTC"),
        "version": pa.string(),  # of the release that answered
        "predicted": pa.string(),
        "confidence": pa.float32(),
        "abstain": pa.bool_(),  # null where the release has no threshold
        "probabilities": pa.list_(pa.float32()),  # in the order of the release's classes
        "embedding": pa.list_(pa.float16()),  # of unit length
        "brightness": pa.float32(),  # components.common.data.looks, of the pixels that the model saw
        "size": pa.float32(),  # null where pixels came, and no image
        "sharpness": pa.float32(),
        "pixels": pa.binary(),  # uint8 (channels, side, side) as the model saw them; null unless asked for
    }
)


def write(store: Store, model: str, rows: Sequence[dict[str, Any]]) -> str:
    """Write rows as one batch; returns its key. Rows are dictionaries of ROWS, arrays for lists."""
    now = datetime.now(UTC)
    key = f"{model}/{now:%Y-%m-%d}/{now:%H%M%S.%f}-{secrets.token_hex(4)}.parquet"
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in ROWS]
    written = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=ROWS), written, compression="zstd")
    store.write_if_absent(key, written.getvalue())
    return key


def read(store: Store, model: str, since: datetime, until: datetime, version: str = "") -> Iterator[pa.Table]:
    """Rows that came from `since` on and before `until`, a batch at a time, in the order in which they were written.

    version: only what this release answered. Batches may have been written some time after their rows came, so the
    folder of the day after is looked at too.
    """
    last = until.astimezone(UTC).date() + timedelta(days=1)
    day = since.astimezone(UTC).date()
    while day <= last:
        for key in sorted(stat.key for stat in store.list(f"{model}/{day:%Y-%m-%d}/") if stat.key.endswith(".parquet")):
            table = read_table(store.read(key)).select(ROWS.names).cast(ROWS)
            wanted = pc.and_(pc.greater_equal(table["time"], since), pc.less(table["time"], until))
            if version:
                wanted = pc.and_(wanted, pc.equal(table["version"], version))
            table = table.filter(wanted)
            if len(table):
                yield table
        day += timedelta(days=1)
