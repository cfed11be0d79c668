"""Tombstones of images, which are the journal of forgetting them: what was asked, what it concerns, what is done."""

import json
from typing import Any, NamedTuple

from components.common.files import json_text, sha256_json
from components.common.forgotten import HISTORY, IMAGES, tombstone_key
from components.common.storage import Store


class Task(NamedTuple):
    """Images that were asked to be forgotten together, and what they were to releases before anything was changed."""

    ids: tuple[str, ...]
    asked: str  # ISO 8601, UTC
    versions: tuple[str, ...] = ()  # ids of the versions of datasets that held one
    learned: tuple[tuple[str, str, str], ...] = ()  # model, version and how, once for each image and release


def begin(store: Store, task: Task) -> None:
    """Write the tombstones; from here on no ingest takes the images in, and the work goes on until it is done."""
    for image in task.ids:
        store.write(tombstone_key(image), _text(task, ""))


def finish(store: Store, task: Task, done: str, told: dict[str, Any]) -> None:
    """Note that all of it is gone. told: numbers for the history, which names no image."""
    record = {"format": 1, "asked": task.asked, "done": done, "images": len(task.ids), **told}
    time = "".join(filter(str.isdigit, task.asked))
    store.write(f"{HISTORY}{time}-{sha256_json(sorted(task.ids))[:12]}.json", json_text(record).encode())
    for image in task.ids:
        store.write(tombstone_key(image), _text(Task(task.ids, task.asked), done))


def unfinished(store: Store) -> list[Task]:
    """What was asked and is not done, as after a kill; the oldest first."""
    tasks: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for stat in store.list(IMAGES):
        about = json.loads(store.read(stat.key))
        if not about["done"]:
            image = stat.key.removeprefix(IMAGES).removesuffix(".json")
            tasks.setdefault(about["asked"], []).append((image, about))
    return [_task(asked, found) for asked, found in sorted(tasks.items())]


def _task(asked: str, found: list[tuple[str, dict[str, Any]]]) -> Task:
    """Tombstones of one task that was killed while it wrote them may be fewer than its images, but never half ones."""
    about = found[0][1]
    learned = tuple(tuple(one) for one in about["learned"])
    return Task(tuple(sorted(image for image, _ in found)), asked, tuple(about["versions"]), learned)


def _text(task: Task, done: str) -> bytes:
    about = {"format": 1, "asked": task.asked, "done": done or None}
    if not done:
        about |= {"versions": list(task.versions), "learned": [list(one) for one in task.learned]}
    return json_text(about).encode()
