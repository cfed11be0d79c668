"""Keep what each round of labelling came to, so that the next one can say what changed.

rounds/<name>/<round>-<digest>.json   the record of a run in that round, under the digest of its contents
"""

import json
from typing import Any

from components.common.errors import BadInputError
from components.common.files import json_text, sha256_bytes
from components.common.storage import IntegrityError, Store


def save(store: Store, name: str, record: dict[str, Any]) -> str:
    """Add a record, which has a `round`; returns its key. The same record again adds nothing."""
    data = json_text(record).encode()
    key = f"rounds/{name}/{record['round']:04d}-{sha256_bytes(data)[:12]}.json"
    store.write_if_absent(key, data)
    return key


def load(store: Store, key: str) -> dict[str, Any]:
    """Raises BadInputError where there is no such record, or it was changed."""
    try:
        data = store.read(key)
    except KeyError:
        raise BadInputError(
            f"{store.uri}/{key}: does not exist; expected the record of a round of labelling; leave evaluate.since out "
            "to compare with none"
        ) from None
    digest = sha256_bytes(data)[:12]
    if not key.endswith(f"-{digest}.json"):
        raise IntegrityError(f"{store.uri}/{key}: was changed (its sha256 begins with {digest}); restore or remove it")
    return json.loads(data)


def newest_before(store: Store, name: str, number: int) -> str:
    """Key of the record of the highest round below `number`, of several the last written; empty where there is none."""
    found = []
    for stat in store.list(f"rounds/{name}/"):
        of = stat.key.rpartition("/")[2].partition("-")[0]
        if of.isdecimal() and int(of) < number:
            found.append((int(of), stat.modified, stat.key))
    return max(found, default=(0, 0.0, ""))[2]
