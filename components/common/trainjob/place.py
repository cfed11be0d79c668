"""Where the nodes of one job find their inputs and leave their outputs: a folder of the store that no other job uses.

So what is cleaned away after one job is never what the next one, of equal work, has just been given.
"""

from typing import Any

from components.common.storage import open_store

ROOM = "/jobs/"


def new_place(store: str, stage: str, key: str, pod: str) -> str:
    """For the job that the launcher in `pod` (its uid) makes of the work `key`."""
    return f"{store.rstrip('/')}{ROOM}{stage}/{key}-{pod}"


def place_of(job: dict[str, Any]) -> str:
    """As the job's own command has it, whoever made the job."""
    words = job["spec"]["trainer"]["command"]
    root = words[words.index("--store") + 1].rstrip("/") + ROOM
    return next(word for word in words if word.startswith(root)).rpartition("/")[0]


def clean(job: dict[str, Any]) -> None:
    """Delete what a job that is gone was given and has left. Its checkpoints lie elsewhere."""
    store = open_store(place_of(job))
    for stat in list(store.list()):
        store.delete(stat.key)
