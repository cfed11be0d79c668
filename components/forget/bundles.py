"""Releases without some images: their labels, reference and report, and what forgotten.json and the history tell.

What answers stays as it is to the byte: weights, preprocessing and calibration learned from images, and hold none. The
new digests are in forgotten.json before the files are written, so that whoever reads a release finds the old files or
the new ones.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any

from components.common.files import json_text, sha256_bytes
from components.common.storage import Store
from components.forget.hand import Hand
from components.forget.journal import Task
from components.forget.labels import ABOUT, TABLE, about_labels
from components.forget.objects import read
from components.forget.rules import Gone, is_page, without, without_pictures
from components.lineage.trace import releases_in
from components.releases import history
from components.releases.bundle import FORGOTTEN, RELEASE, REWRITABLE, forgotten


def forget_in_releases(hand: Hand, task: Task, gone: Gone) -> None:
    """Write anew what releases hold of the images."""
    for model, version, folder in releases_in(hand.store):
        how = [said for of, which, said in task.learned if (of, which) == (model, version)]
        may_show = bool(how) or any(dataset.encode() in read(hand.store, folder + RELEASE) for dataset in task.versions)
        made = _anew(hand.store, folder, gone, may_show)
        told = forgotten(hand.store, folder)
        if not made and not (how and task.asked not in [time["when"] for time in told.get("times", ())]):
            continue
        time = {"when": task.asked, "images": len(task.ids), "how": dict(sorted(Counter(how).items()))}
        if how:
            time["images"] = len(how)
        noted = _noted(hand.store, folder, told, made, time)
        hand.replace(folder + FORGOTTEN, json_text(noted).encode())
        for name, data in sorted(
            made.items(), key=lambda each: each[0] == TABLE
        ):  # by which labels.json is known to go
            hand.replace(folder + name, data)
        only = {name: entries[-1:] for name, entries in noted["files"].items()}
        hand.add(folder + FORGOTTEN, json_text({**noted, "files": only}).encode())


def _anew(store: Store, folder: str, gone: Gone, may_show: bool) -> dict[str, bytes]:
    """The files of a release that are to be written anew, by name."""
    made: dict[str, bytes] = {}
    for name in REWRITABLE:
        data = read(store, folder + name)
        bare = without_pictures(data) if may_show and is_page(name, data) else data
        anew = without(name, bare, gone) or bare
        if anew != data:
            made[name] = anew
    if TABLE in made:
        made[ABOUT] = about_labels(made.get(ABOUT) or store.read(folder + ABOUT), made[TABLE])
    return made


def _noted(
    store: Store, folder: str, told: dict[str, Any], made: dict[str, bytes], time: dict[str, Any]
) -> dict[str, Any]:
    """forgotten.json: what each file may be, the newest last; what it is now stays allowed until it is replaced."""
    files = {name: list(each) for name, each in told.get("files", {}).items()}
    for name, data in made.items():
        now = store.read(folder + name)
        may_be = {digest["sha256"]: digest for digest in map(_digest, (now, data))}
        known = {entry["sha256"] for entry in files.get(name, ())}
        files[name] = [entry for digest, entry in may_be.items() if digest in known or entry == _digest(data)]
    times = [one for one in told.get("times", ()) if one["when"] != time["when"]]
    return {"format": 1, "times": sorted([*times, time], key=lambda one: one["when"]), "files": files}


def _digest(data: bytes) -> dict[str, Any]:
    return {"sha256": sha256_bytes(data), "size": len(data)}


def tell_history(store: Store, task: Task, who: str) -> None:
    """Add to the history of each release that learned from the images, without naming one."""
    for model, version in sorted({(model, version) for model, version, _ in task.learned}):
        how = Counter(said for of, which, said in task.learned if (of, which) == (model, version))
        event = {"what": history.FORGOT, "version": version, "when": task.asked, "who": who, "from": ""}
        history.keep(store, model, {**event, "why": f"forgotten: {told_how(how)}"})


def told_how(how: Collection[str] | Counter[str]) -> str:
    """`1 image labelled, 2 images unlabelled`: what images were to a release."""
    counts = Counter(how)
    return ", ".join(f"{count:,} image{'s' * (count != 1)} {said}" for said, count in sorted(counts.items()))
