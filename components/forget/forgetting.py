"""Forget images, in an order in which a kill at any moment leaves what the same command goes on with.

Tombstones first, so that no ingest takes an image in again; then datasets, releases and all else; then one more look
that must find nothing; only then do the tombstones say that it is done.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from components.common.errors import FailedError
from components.common.storage import FolderStore, Store
from components.forget import journal
from components.forget.asked import Left
from components.forget.bundles import forget_in_releases, tell_history
from components.forget.hand import Change, Hand
from components.forget.here import forget_in_cache, forget_in_runs
from components.forget.journal import Task
from components.forget.looks import forget_in_looks
from components.forget.objects import forget_in_objects
from components.forget.rules import Gone
from components.forget.versions import forget_in_dataset, names_in

EMBEDDINGS = "embeddings/"
SHOWN = 5  # places in a sentence
LOOKS = 3  # at a store that somebody else writes to meanwhile


class Places(NamedTuple):
    """Where images may lie. also: copies of what runs made, and logs that are kept elsewhere."""

    store: Store
    workdir: Path
    also: Sequence[Store] = ()


def look(places: Places, task: Task) -> tuple[list[Change], Task]:
    """What would change, and the task with all versions of datasets that it concerns; nothing is changed."""
    changes, versions = _pass(places, task, only_look=True, first=True)
    return changes, task._replace(versions=tuple(sorted({*task.versions, *versions})))


def forget(places: Places, task: Task, who: str, done: str, files: Sequence[Left] = ()) -> list[Change]:
    """Do it, and return what was changed; raises FailedError where somebody writes the images again and again.

    task: as `look` has made it; who: asked for it; done: the time now; files: of the source, to be removed, while the
    datasets still tell which they are.
    """
    journal.begin(places.store, task)
    for file in files:
        file.store.delete(file.key)
    changes: list[Change] = []
    for number in range(LOOKS):
        changes += _pass(places, task, only_look=False, first=number == 0)[0]
        left = _pass(places, task, only_look=True, first=False)[0]
        if not left:
            break
    else:
        where = ", ".join(change.place for change in left[:SHOWN])
        raise FailedError(
            f"{len(left):,} objects hold the images again, such as {where}: something writes there; end it, and run "
            "gleaner forget again, which goes on"
        )
    tell_history(places.store, task, who)
    told = {"who": who, "versions": len(task.versions), "changes": len(changes), "learned": _by_release(task)}
    journal.finish(places.store, task, done, told)
    return changes


def _by_release(task: Task) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for model, version, how in task.learned:
        counts = found.setdefault(f"{model}/{version}", {})
        counts[how] = counts.get(how, 0) + 1
    return found


def _pass(places: Places, task: Task, only_look: bool, first: bool) -> tuple[list[Change], set[str]]:
    """One way through all places. first: embeddings go too, which nothing tells from those that were made since."""
    hand = Hand(places.store, only_look)
    ids = frozenset(task.ids)
    gone = Gone(ids)
    versions: set[str] = set()
    for name in names_in(places.store):
        touched = forget_in_dataset(hand, name, ids, task.asked)
        versions |= touched
        if first and touched.union(task.versions):
            for stat in list(places.store.list(f"{EMBEDDINGS}{name}/")):
                hand.delete(stat.key)
    task = task._replace(versions=tuple(sorted({*task.versions, *versions})))
    words = {*task.versions, *(version for _, version, _ in task.learned)}
    forget_in_objects(hand, gone, words)
    forget_in_looks(hand, gone, words)
    forget_in_releases(hand, task, gone)
    hands = [hand]
    if places.workdir.is_dir():
        hands.append(Hand(FolderStore(places.workdir), only_look))
        forget_in_runs(hands[-1], gone, words)
    for place in places.also:
        hands.append(Hand(place, only_look))
        forget_in_runs(hands[-1], gone, words, every_page=True)
    changes = [change for each in hands for change in each.changes]
    return changes + forget_in_cache(ids, only_look), versions
