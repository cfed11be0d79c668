"""Note which versions were made of a listing: a run whose `pack` and `ingest` come from a cache is given one of them.

datasets/<name>/listings/<key>/<version>.json   an empty object, written once the version is published, never removed

The key is that of the plan, and is handed on to `pack` and `ingest`: a parameter, by which a cache knows what they did.
Where a version that was made of it has been removed (`gleaner store gc --keep-versions`), .1 follows the key, then .2
and so on: other parameters, so that Kubeflow's cache, which knows nothing of that, gives nobody a dataset that is gone.

When the object was last written says when a run was last given the version; until that is long ago, it stays.
"""

from components.common.storage import Store, announce

OF_ANOTHER = "0" * 64  # no version, so never there: the source had changed, and what was made is none of this plan


def plan_of(key: str) -> str:
    """The key of the plan that a key was handed on for."""
    return key.partition(".")[0]


def hand_on(name: str, plan: str, store: Store) -> tuple[str, bool]:
    """The key to give to workers, and whether a version made of it is there; if so, it counts as in use from now on."""
    key, made = _found(name, plan, store)
    for version in made:
        announce(store, _record(name, key, version))
    if made and _found(name, plan, store) != (key, made):  # a collector that was at work has removed it
        return hand_on(name, plan, store)
    return key, bool(made)


def note(name: str, key: str, plan: str, version: str, store: Store) -> None:
    """Note that a version was made of a plan, by a worker that was handed `key`; empty where nobody handed it one."""
    if not key:
        key, _ = _found(name, plan, store)
    elif plan_of(key) != plan:
        version = OF_ANOTHER
    store.write_if_absent(_record(name, key, version), b"{}\n")


def _found(name: str, plan: str, store: Store) -> tuple[str, list[str]]:
    """The first key of which no version was removed, and the versions made of it."""
    key = plan
    number = 0
    while made := _made(name, key, store):
        if all(store.stat(f"datasets/{name}/{version}/dataset.json") for version in made):
            break
        number += 1
        key = f"{plan}.{number}"
    return key, made


def _made(name: str, key: str, store: Store) -> list[str]:
    folder = f"datasets/{name}/listings/{key}/"
    return sorted(stat.key.removeprefix(folder).removesuffix(".json") for stat in store.list(folder))


def _record(name: str, key: str, version: str) -> str:
    return f"datasets/{name}/listings/{key}/{version}.json"
