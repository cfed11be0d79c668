"""All other objects of a store without some images: whatever names one is written anew, wherever it lies.

Objects whose names hold a digest of their contents get a new name. Pages lose all of their pictures where they may
show one of the images: where what lies beside them names one, or a version of a dataset that held it.
"""

import json
import re
from collections.abc import Collection, Iterator

from components.common.files import json_text, sha256_bytes, sha256_json
from components.common.forgotten import ROOT, replaced
from components.common.storage import Store
from components.forget.hand import Hand
from components.forget.labels import ABOUT, TABLE, about_labels
from components.forget.rules import BINARY, Gone, is_page, without, without_pictures

ELSEWHERE = ("datasets/", "releases/", ROOT)  # prefixes that have modules of their own
PLANS = re.compile(r"datasets/[^/]+/plans/.+")
LOOKS = re.compile(r"monitor/[^/]+/looks/.+")
DIGESTED = re.compile(r"((?:rounds|opinions)/[^/]+/\d+-)[0-9a-f]{12}(\.\w+)")
LABELS = re.compile(r"(labels/[^/]+/)[0-9a-f]{12}/.+")
SUMMARY = re.compile(r"candidates/.+/summary\.json")


def forget_in_objects(hand: Hand, gone: Gone, words: Collection[str]) -> None:
    """words: ids of the versions of datasets that held one of the images, and versions of releases made of these."""
    pages: list[str] = []
    touched: set[str] = set()
    labels: dict[str, dict[str, bytes]] = {}
    for key in keys_in(hand.store):
        data = read(hand.store, key)
        group = key.rpartition("/")[0]
        made = without(key, data, gone)
        if made is not None or any(word.encode() in data for word in words):
            touched.add(group)
        if is_page(key, data):
            pages.append(key)
        elif LABELS.fullmatch(key):
            labels.setdefault(group, {})[key.rpartition("/")[2]] = data
        else:
            _write(hand, key, data if made is None else made, made is not None)
    for group, files in labels.items():
        _write_labels(hand, group, files, gone)
    for key in pages:
        strip(hand, key, gone, key.rpartition("/")[0] in touched)


def keys_in(store: Store) -> Iterator[str]:
    """Objects that this module looks after, the oldest first, so that what is newest stays newest."""
    for stat in sorted(store.list(), key=lambda stat: (stat.modified, stat.key)):
        mine = PLANS.match(stat.key) or not stat.key.startswith(ELSEWHERE)
        if mine and not LOOKS.match(stat.key) and not stat.key.endswith(BINARY):
            yield stat.key


def read(store: Store, key: str) -> bytes:
    """An object; empty where it was removed since it was listed."""
    try:
        return store.read(key)
    except KeyError:
        return b""


def strip(hand: Hand, key: str, gone: Gone, may_show: bool) -> None:
    """Write a page anew without the images. may_show: whether its pictures may be of them."""
    data = read(hand.store, key)
    bare = without_pictures(data) if may_show else data
    made = without(key, bare, gone) or bare
    if made != data:
        hand.replace(key, made)


def _write(hand: Hand, key: str, data: bytes, changed: bool) -> None:
    if SUMMARY.fullmatch(key):
        data, changed = _with_dataset(hand.store, data, changed)
    if not changed:
        return
    if not data or PLANS.match(key):  # an ingest that goes on packs again what it does not find
        hand.delete(key)
    elif digested := DIGESTED.fullmatch(key):
        hand.add(f"{digested[1]}{sha256_bytes(data)[:12]}{digested[2]}", data)
        hand.delete(key, anew=True)
    else:
        hand.replace(key, data)


def _with_dataset(store: Store, data: bytes, changed: bool) -> tuple[bytes, bool]:
    """summary.json of candidates, which names the version that replaced its own: people go on labelling."""
    about = json.loads(data or b"{}")
    if not (dataset := about.get("dataset")) or not (anew := replaced(store, dataset["name"], dataset["id"])):
        return data, changed
    return json_text({**about, "dataset": {**dataset, "id": anew.now}}).encode(), True


def _write_labels(hand: Hand, folder: str, files: dict[str, bytes], gone: Gone) -> None:
    """The labels of a run, under the digest of all of their files."""
    made = {name: without(name, data, gone) for name, data in files.items()}
    if not any(data is not None for data in made.values()):
        return
    anew = {name: files[name] if data is None else data for name, data in made.items()}
    if {TABLE, ABOUT} <= anew.keys():
        anew[ABOUT] = about_labels(anew[ABOUT], anew[TABLE])
    digest = sha256_json({name: sha256_bytes(data) for name, data in anew.items()})[:12]
    root = folder.rpartition("/")[0]
    for name, data in sorted(anew.items()):
        hand.add(f"{root}/{digest}/{name}", data)
    for name in sorted(files):
        hand.delete(f"{folder}/{name}", anew=True)
