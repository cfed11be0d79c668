"""Answers of a released model that were drawn at random, so that people say whether they are right.

monitor/<model>/looks/<number>.json        a look that counts: written last
monitor/<model>/looks/<number>/…/audit.parquet    the answers that were drawn in it (AUDIT)
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from components.common.parquet import read_table
from components.common.storage import IntegrityError, Store

AUDIT = pa.schema(
    [
        ("id", pa.string()),  # of the image, as in the serving log: sha256 of the bytes that came
        ("version", pa.string()),  # of the release that answered
        ("predicted", pa.string()),
        ("confidence", pa.float32()),
        ("time", pa.timestamp("us", tz="UTC")),  # of the answer
        ("where", pa.string()),  # path or URI of the image, or null
        ("picture", pa.binary()),  # a PNG or JPEG to be looked at, or null where nobody kept the pixels
    ]
)
FILE = "audit.parquet"


class Drawn(NamedTuple):
    """What one look drew."""

    number: int  # of the look
    about: dict[str, Any]  # drift.json of the look
    answers: pa.Table  # AUDIT, in the order of drawing; an answer that was drawn twice is there twice


def drawn(store: Store, model: str) -> Iterator[Drawn]:
    """The draws of all looks at a model, the first look first; looks that drew nothing are passed over."""
    root = f"monitor/{model}/looks/"
    keys = [stat.key for stat in store.list(root)]
    files = {key for key in keys if key.rpartition("/")[2] == FILE}
    for key in sorted(keys):
        name = key.removeprefix(root)
        if "/" in name or not name.endswith(".json"):
            continue
        number = name.removesuffix(".json")
        if file := next((each for each in sorted(files) if each.startswith(f"{root}{number}/")), ""):
            answers = _table(store, file)
            if len(answers):
                yield Drawn(int(number), json.loads(store.read(key)), answers)


def _table(store: Store, key: str) -> pa.Table:
    try:
        return read_table(store.read(key)).select(AUDIT.names).cast(AUDIT)
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise IntegrityError(
            f"{store.uri}/{key}: no table of audited answers that can be read ({type(error).__name__}); restore it, or "
            "remove it to go on without its draw"
        ) from None
