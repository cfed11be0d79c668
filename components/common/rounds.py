"""Keep what each round of labelling came to, so that the next one can say what changed, and what to ask first.

rounds/<name>/<round>-<digest>.json        the record of a run in that round, under the digest of its contents
opinions/<name>/<round>-<digest>.parquet   its second opinion: images on which an ensemble differs from the model
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.common.errors import BadInputError
from components.common.files import json_text, sha256_bytes
from components.common.parquet import read_table
from components.common.storage import IntegrityError, Store

RECORDS, OPINIONS = "rounds", "opinions"


def save(store: Store, name: str, record: dict[str, Any]) -> str:
    """Add a record, which has a `round`; returns its key. The same record again adds nothing."""
    return _save(store, f"{RECORDS}/{name}", record["round"], json_text(record).encode(), ".json")


def load(store: Store, key: str) -> dict[str, Any]:
    """Raises BadInputError where there is no such record, or it was changed."""
    what = "the record of a round of labelling; leave evaluate.since out to compare with none"
    return json.loads(_load(store, key, what))


def save_opinion(store: Store, name: str, number: int, opinion: Path) -> str:
    """Add the second opinion (opinion.parquet) of a run in round `number`; returns its key."""
    return _save(store, f"{OPINIONS}/{name}", number, opinion.read_bytes(), ".parquet")


def load_opinion(store: Store, key: str) -> pa.Table:
    """Raises BadInputError where there is no such second opinion, or it was changed."""
    return read_table(_load(store, key, "a second opinion; leave sample.opinion out to ask for none"))


def newest_before(store: Store, name: str, number: int, kind: str = RECORDS) -> str:
    """Key of the record (or of another `kind`) of the highest round below `number`, of several the last written; empty
    where there is none.
    """
    found = []
    for stat in store.list(f"{kind}/{name}/"):
        of = stat.key.rpartition("/")[2].partition("-")[0]
        if of.isdecimal() and int(of) < number:
            found.append((int(of), stat.modified, stat.key))
    return max(found, default=(0, 0.0, ""))[2]


def _save(store: Store, prefix: str, number: int, data: bytes, ending: str) -> str:
    key = f"{prefix}/{number:04d}-{sha256_bytes(data)[:12]}{ending}"
    store.write_if_absent(key, data)
    return key


def _load(store: Store, key: str, expected: str) -> bytes:
    try:
        data = store.read(key)
    except KeyError:
        raise BadInputError(f"{store.uri}/{key}: does not exist; expected {expected}") from None
    digest = sha256_bytes(data)[:12]
    if f"-{digest}." not in key.rpartition("/")[2]:
        raise IntegrityError(f"{store.uri}/{key}: was changed (its sha256 begins with {digest}); restore or remove it")
    return data
