"""What a server keeps of its answers, and how it is read: a sample of embeddings and predictions, for whoever watches
for drift. It holds no pixels, unless the server was asked to keep them.

    <log>/<model>/<day>/<time>-<random>.parquet    a batch of rows (ROWS), written whole and never changed

Of a release that lies in a store, server and watch agree on `log` in it, unless they are told another place.
"""

import io
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.common import clock
from components.common.errors import BadInputError
from components.common.parquet import read_table
from components.common.storage import Stat, Store

AHEAD, AHEAD_BYTES = 16, 32 << 20  # batches, and bytes of them, that are fetched before their turn

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


def write(store: Store, model: str, rows: Sequence[dict[str, Any]], now: datetime | None = None) -> str:
    """Write rows as one batch; returns its key. Rows are dictionaries of ROWS, arrays for lists. now: when it is
    written, by default the clock's time.
    """
    time = (now or clock.now()).astimezone(UTC)
    key = f"{model}/{time:%Y-%m-%d}/{time:%H%M%S.%f}-{secrets.token_hex(4)}.parquet"
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in ROWS]
    written = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=ROWS), written, compression="zstd")
    store.write_if_absent(key, written.getvalue())
    return key


def read(
    store: Store,
    model: str,
    since: datetime,
    until: datetime,
    version: str = "",
    columns: Sequence[str] = ROWS.names,
) -> Iterator[pa.Table]:
    """Rows that came from `since` on and before `until`, a batch at a time, in the order in which they were written.

    version: only what this release answered. columns: those of ROWS that are wanted. Batches may have been written some
    time after their rows came, so the folder of the day after is looked at too. Raises BadInputError where a file there
    is no batch.
    """
    schema = pa.schema([ROWS.field(name) for name in columns])
    for key, data in _fetched(store, _batches(store, model, since, until)):
        try:
            whole = read_table(data, [*dict.fromkeys([*columns, "time", "version"])])
            wanted = pc.and_(pc.greater_equal(whole["time"], since), pc.less(whole["time"], until))
            if version:
                wanted = pc.and_(wanted, pc.equal(whole["version"], version))
            table = whole.select(schema.names).filter(wanted).cast(schema)
        except (ValueError, KeyError, OSError, pa.ArrowException) as error:
            reason = str(error).partition("\n")[0][:200]
            raise BadInputError(
                f"{store.uri}/{key}: expected a batch of a serving log, found something else ({reason}); move it away"
            ) from None
        if len(table):
            yield table


def _batches(store: Store, model: str, since: datetime, until: datetime) -> Iterator[Stat]:
    """Batches that may hold rows of a window, in the order in which they were written."""
    last = until.astimezone(UTC).date() + timedelta(days=1)
    day = since.astimezone(UTC).date()
    while day <= last:
        there = (stat for stat in store.list(f"{model}/{day:%Y-%m-%d}/") if stat.key.endswith(".parquet"))
        yield from sorted(there, key=lambda stat: stat.key)
        day += timedelta(days=1)


def _fetched(store: Store, batches: Iterable[Stat]) -> Iterator[tuple[str, bytes]]:
    """Keys and contents in their order, several fetched at once, since each costs a round trip; but for those that were
    removed meanwhile.
    """
    threads = ThreadPoolExecutor(AHEAD)
    try:
        for key, future in _begun(batches, lambda stat: threads.submit(store.read, stat.key)):
            try:
                data = future.result()
            except KeyError:
                continue
            yield key, data
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _begun(batches: Iterable[Stat], begin: Callable[[Stat], "Future[bytes]"]) -> Iterator[tuple[str, "Future[bytes]"]]:
    """Begin to fetch each batch before its turn, as many at once as AHEAD and AHEAD_BYTES allow."""
    waiting = deque[tuple[Stat, Future[bytes]]]()
    held = 0
    for stat in batches:
        waiting.append((stat, begin(stat)))
        held += stat.size
        while waiting and (len(waiting) > AHEAD or held > AHEAD_BYTES):
            first, future = waiting.popleft()
            held -= first.size
            yield first.key, future
    for stat, future in waiting:
        yield stat.key, future
