"""What `gleaner forget` leaves in a store: which images must never come back, and what was made anew without them.

    forgotten/images/<id>.json             tombstone of an image: when it was asked for, and whether all of it is gone
    forgotten/versions/<name>/<id>.json    a version of a dataset that was replaced, by which, when and why
    forgotten/history/<when>-<id>.json     what was done, by numbers; no image is named

The tombstone is the journal too: while `done` is null, the work goes on when `gleaner forget` runs again.
"""

import json
from typing import Any, NamedTuple

from components.common.storage import Store

ROOT = "forgotten/"
IMAGES, HISTORY = f"{ROOT}images/", f"{ROOT}history/"
WHY = "was forgotten (gleaner forget), and is never taken in again; remove it from the source"


class Replaced(NamedTuple):
    """A version of a dataset that is gone because images were forgotten."""

    now: str  # id of the version without them; empty where nothing was left
    images: int
    when: str  # ISO 8601, UTC

    def told(self) -> str:
        """Why the version is gone, in half a sentence."""
        count = f"{self.images:,} image{'s were' if self.images != 1 else ' was'} forgotten"
        return f"was replaced by {self.now[:12] or 'nothing'} on {self.when[:10]}, because {count}"


def tombstone_key(image: str) -> str:
    return f"{IMAGES}{image}.json"


def version_key(name: str, version: str) -> str:
    return f"{ROOT}versions/{name}/{version}.json"


def forgotten_ids(store: Store) -> frozenset[str]:
    """Ids of the images that must not be taken in."""
    return frozenset(stat.key.removeprefix(IMAGES).removesuffix(".json") for stat in store.list(IMAGES))


def asked_to_forget(store: Store, image: str) -> str:
    """When it was asked for to forget an image, in ISO 8601; empty where nobody did."""
    record = _read(store, tombstone_key(image))
    return str(record["asked"]) if record else ""


def replaced(store: Store, name: str, version: str) -> Replaced | None:
    """What became of a version of a dataset: the last of those that replaced it; None where it was not replaced.

    images, when: of the last time that some of its images were forgotten.
    """
    found: Replaced | None = None
    while version and (record := _read(store, version_key(name, version))):
        found = Replaced(record["now"], record["images"], record["when"])
        version = found.now
    return found


def _read(store: Store, key: str) -> dict[str, Any] | None:
    try:
        return json.loads(store.read(key))
    except KeyError:
        return None
