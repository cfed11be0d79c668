"""Keep which held-out images were drawn among newer ones, so that runs to come measure on them too.

draws/<name>/<digest>.json    `since` and `dataset`, versions between which the images came, and `images`: ids by split

A draw is random and no model has a say in it; so an image that was drawn once may stay so for good, and what people
said of it counts in every run.
"""

import json
from typing import Any

from components.common.errors import BadInputError
from components.common.files import json_text, sha256_bytes
from components.common.storage import IntegrityError, Store

ROOT = "draws"


def save(store: Store, name: str, draw: dict[str, Any]) -> str:
    """Add a draw; returns its key. The same again adds nothing."""
    data = json_text({"format": 1, **draw}).encode()
    key = f"{ROOT}/{name}/{sha256_bytes(data)[:12]}.json"
    store.write_if_absent(key, data)
    return key


def keys(store: Store, name: str) -> list[str]:
    """Of all draws, sorted."""
    return sorted(stat.key for stat in store.list(f"{ROOT}/{name}/"))


def load(store: Store, key: str) -> dict[str, Any]:
    """Raises BadInputError where there is no such draw, IntegrityError where it was changed."""
    try:
        data = store.read(key)
    except KeyError:
        raise BadInputError(
            f"{store.uri}/{key}: does not exist; expected a draw of held-out images; leave sample.draws out to go "
            "without it"
        ) from None
    digest = sha256_bytes(data)[:12]
    if digest != key.rpartition("/")[2].removesuffix(".json"):
        raise IntegrityError(f"{store.uri}/{key}: was changed (its sha256 begins with {digest}); restore or remove it")
    return json.loads(data)
