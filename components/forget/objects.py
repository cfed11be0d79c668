"""All other objects of a store without some images: whatever names one is written anew, wherever it lies.

Objects whose names hold a digest of their contents get a new name. Pages lose all of their pictures where they may
show one of the images: where what lies beside them names one, or a version of a dataset that held it.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from components.common.files import json_text, sha256_bytes, sha256_json
from components.common.forgotten import ROOT, replaced
from components.common.storage import Store
from components.forget.hand import Hand
from components.forget.labels import ABOUT, TABLE, about_labels
from components.forget.rules import BINARY, Gone, is_page, json_without, without, without_pictures

ELSEWHERE = ("datasets/", "releases/", ROOT)  # prefixes that have modules of their own
PLANS = re.compile(r"datasets/[^/]+/plans/.+")
LOOKS = re.compile(r"monitor/[^/]+/looks/.+")
DIGESTED = re.compile(r"((?:draws/[^/]+/|(?:rounds|opinions)/[^/]+/\d+-))[0-9a-f]{12}(\.\w+)")
LABELS = re.compile(r"(labels/[^/]+/)[0-9a-f]{12}/.+")
SUMMARY = re.compile(r"candidates/.+/summary\.json")


def forget_in_objects(hand: Hand, gone: Gone, words: Collection[str]) -> None:
    """words: ids of the versions of datasets that held one of the images, and versions of releases made of these."""
    keys = keys_in(hand.store)
    found = look_through(hand.store, keys, gone, words, lambda key: key.rpartition("/")[0])
    for key in found.pages:
        strip(hand, key, gone, key.rpartition("/")[0] in found.touched)
    labels: dict[str, list[str]] = {}
    for key in keys:
        if LABELS.fullmatch(key):
            labels.setdefault(key.rpartition("/")[0], []).append(key)
        elif SUMMARY.fullmatch(key):
            _write_summary(hand, key, gone)
        elif key in found.holding:
            _write(hand, key, without(key, read(hand.store, key), gone))
    for folder, files in labels.items():
        if found.holding.intersection(files):
            _write_labels(hand, folder, files, gone)


class Found(NamedTuple):
    """What a look through a place has found."""

    pages: list[str]
    holding: set[str]  # objects that name one of the images
    touched: set[str]  # groups of objects of which one does, or names one of the words


def look_through(
    store: Store, keys: Iterable[str], gone: Gone, words: Collection[str], group_of: Callable[[str], str]
) -> Found:
    """Look before anything is written: a page is made anew before what it is known by, so that a kill between the two
    does not leave it.
    """
    found = Found([], set(), set())
    for key in keys:
        data = read(store, key)
        holds = without(key, data, gone) is not None
        if holds or any(word.encode() in data for word in words):
            found.touched.add(group_of(key))
        if is_page(key, data):
            found.pages.append(key)
        elif holds:
            found.holding.add(key)
    return found


def keys_in(store: Store) -> list[str]:
    """Objects that this module looks after, the oldest first, so that what is newest stays newest."""
    keys = (stat.key for stat in sorted(store.list(), key=lambda stat: (stat.modified, stat.key)))
    return [key for key in keys if _is_mine(key) and not LOOKS.match(key) and not key.endswith(BINARY)]


def _is_mine(key: str) -> bool:
    return PLANS.match(key) is not None or not key.startswith(ELSEWHERE)


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


def _write(hand: Hand, key: str, data: bytes | None) -> None:
    if not data or PLANS.match(key):  # an ingest that goes on packs again what it does not find
        hand.delete(key)
    elif digested := DIGESTED.fullmatch(key):
        hand.add(f"{digested[1]}{sha256_bytes(data)[:12]}{digested[2]}", data)
        hand.delete(key, anew=True)
    else:
        hand.replace(key, data)


def _write_summary(hand: Hand, key: str, gone: Gone) -> None:
    """summary.json of candidates, which names the version that replaced its own: people go on labelling."""
    about = json.loads(read(hand.store, key) or b"{}")
    made = json_without(about, gone)
    dataset = made.get("dataset")
    if dataset and (anew := replaced(hand.store, dataset["name"], dataset["id"])):
        made["dataset"] = {**dataset, "id": anew.now}
    if made != about:
        hand.replace(key, json_text(made).encode())


def _write_labels(hand: Hand, folder: str, files: list[str], gone: Gone) -> None:
    """The labels of a run in a folder of another name, which follows from the old one and the table: a kill while the
    old one is removed, the table last, leaves what leads to the same.
    """
    data = {key.rpartition("/")[2]: read(hand.store, key) for key in files}
    anew = {name: without(name, each, gone) or each for name, each in data.items()}
    if {TABLE, ABOUT} <= anew.keys():
        anew[ABOUT] = about_labels(anew[ABOUT], anew[TABLE])
    root, _, before = folder.rpartition("/")
    digest = sha256_json([before, sha256_bytes(anew.get(TABLE, b""))])[:12]
    for name, each in sorted(anew.items()):
        hand.add(f"{root}/{digest}/{name}", each)
    for key in sorted(files, key=lambda key: key.endswith(TABLE)):
        hand.delete(key, anew=True)
