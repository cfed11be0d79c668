"""Mark what is referred to: the versions of datasets that stay, and what they and the labels name.

A version stays while it is one of the newest `versions` of its dataset, while a release or a run on this machine is
made of it, and until it has been superseded for as long as anything unnamed is kept: a run may just have begun with it.
So may one that Kubeflow's cache gave it, however long ago it was superseded: where a source is again as it once was,
`plan` notes that, and the note keeps the version until it is old. The note itself is never removed: by one whose
version is gone, `plan` sees to it that the cache gives that version to nobody. Labels and releases always stay.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from components.common.errors import BadInputError
from components.common.forgotten import replaced
from components.common.storage import Store
from pipelines.collecting.contents import Contents

ABOUT = "dataset.json"  # written last of a version


def name_all(
    contents: Contents, store: Store, before: float, versions: int | None, runs: set[str], tick: Callable[[], None]
) -> None:
    """Note what is named. before: the time (seconds since 1970) before which things are old. versions: how many of a
    dataset stay at least; None for all. runs: ids of datasets that runs on this machine are made of.

    Raises BadInputError where something that names cannot be read: then nobody knows what may go.
    """
    made_of = runs | (_released(contents, store) if versions is not None else set())
    for dataset in contents.owners("pointer", "version", "shard", "thumbnails", "plan"):
        given = {one.key.rpartition("/")[2] for one in contents.things("listing", dataset) if one.modified >= before}
        for version in _kept(contents, store, dataset, before, versions, made_of | given):
            tick()
            contents.name(iter([version]))
            about = _read(store, f"{version}/{ABOUT}")
            contents.name(
                entry["key"].rpartition(".")[0]
                for table in ("shards", "thumbnails", "looks")  # earlier versions called thumbnails looks
                for entry in about.get(table, ())
            )
    for labels in contents.things("labels"):
        tick()
        about = _read(store, labels.key)
        if isinstance(about, dict) and isinstance(about.get("candidates"), str):
            contents.name(iter([about["candidates"]]))


def is_in_flight(contents: Contents, dataset: str, before: float) -> bool:
    """Whether an ingest may be going on: its plan is in the store, and somebody wrote to it lately."""
    return any(plan.modified >= before for plan in contents.things("plan", dataset))


def _kept(
    contents: Contents, store: Store, dataset: str, before: float, versions: int | None, made_of: set[str]
) -> Iterator[str]:
    """Prefixes of the versions that stay."""
    pointer = f"datasets/{dataset}/latest.json"
    pointed = contents.modified(pointer)
    about = {} if pointed is None else _read(store, pointer)
    latest, second = (f"datasets/{dataset}/{about.get(which)}" for which in ("id", "previous"))
    if pointed is not None and contents.modified(f"{latest}/{ABOUT}") is None:
        raise BadInputError(
            f"{store.uri}/{pointer}: names version {about.get('id')}, whose {ABOUT} is gone; restore it, or remove "
            "latest.json to begin anew; nothing is removed until then"
        )
    whole = [
        (version, written)
        for version in contents.things("version", dataset)
        if (written := contents.modified(f"{version.key}/{ABOUT}")) is not None
    ]
    all_stay = versions is None or is_in_flight(contents, dataset, before)
    # by the time at which each became the newest: a version that comes back is written anew
    order = sorted(whole, key=lambda one: (one[0].key == latest, one[0].key == second, one[1]), reverse=True)
    became = [written for _, written in order]
    superseded = [float("inf"), *(max(written, pointed or 0.0) for written in became[:1]), *became[1:]]
    for place, (version, _) in enumerate(order):
        if (
            all_stay
            or place < (versions or 0)
            or version.key.rpartition("/")[2] in made_of
            or superseded[place] >= before
            or version.modified >= before
        ):
            yield version.key


def _released(contents: Contents, store: Store) -> set[str]:
    """Ids of the datasets that releases are made of, or that replaced these, where images of them were forgotten."""
    found: set[str] = set()
    for release in contents.things("release"):
        about = _read(store, release.key)
        version = str(about.get("digests", {}).get("dataset"))
        anew = replaced(store, str(about.get("dataset_name")), version)
        found.add(anew.now if anew else version)
    return found


def _read(store: Store, key: str) -> Any:
    try:
        return json.loads(store.read(key))
    except KeyError:
        raise BadInputError(f"{store.uri}/{key}: gone since it was listed; run gleaner store gc again") from None
    except ValueError as error:
        raise BadInputError(
            f"{store.uri}/{key}: expected JSON, found something else ({error}); restore it; nothing is removed until "
            "then"
        ) from None
