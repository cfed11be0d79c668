"""Answers of a released model that were drawn at random, so that people say whether they are right.

A look that drew some (monitor/<model>/looks/<number>.json) names them among its files as audit.parquet (AUDIT).
"""

import json
import re
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
KEY = re.compile(rf"(monitor/[^/]+/looks/(\d+))/\w+/{re.escape(FILE)}")


class Drawn(NamedTuple):
    """What one look drew."""

    number: int  # of the look
    about: dict[str, Any]  # drift.json of the look
    answers: pa.Table  # AUDIT, in the order of drawing; an answer that was drawn twice is there twice


def drawn(store: Store, model: str, after: int = 0) -> Iterator[Drawn]:
    """The draws of all looks at a model, or of those after a look, the first look first; looks that drew nothing are
    passed over.
    """
    keys = {stat.key for stat in store.list(f"monitor/{model}/looks/")}
    named = {int(found[2]): f"{found[1]}.json" for key in keys if (found := KEY.fullmatch(key))}
    for number, key in sorted(named.items()):
        if number <= after or key not in keys:  # not published, as by a monitor that was killed
            continue
        about = json.loads(store.read(key))
        if entry := about.get("files", {}).get(FILE):
            answers = _table(store, entry)
            if len(answers):
                yield Drawn(number, about, answers)


def _table(store: Store, entry: dict[str, Any]) -> pa.Table:
    """entry: `key`, `sha256` and `size` of the file."""
    try:
        data = store.read_verified(entry["key"], entry["sha256"], entry["size"])
        return read_table(data).select(AUDIT.names).cast(AUDIT)
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise IntegrityError(
            f"{store.uri}/{entry['key']}: no table of audited answers that can be read ({type(error).__name__}); "
            "restore it"
        ) from None
