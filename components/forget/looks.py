"""Looks of the watch without some images: a look whose files change gets a new folder, and then names that."""

import json
import re
from collections.abc import Collection
from typing import Any

from components.common.files import json_text, sha256_bytes, sha256_json
from components.forget.hand import Hand
from components.forget.objects import read
from components.forget.rules import Gone, is_page, json_without, without, without_pictures

LOOK = re.compile(r"(monitor/[^/]+/looks/\d+)\.json")
DIGITS = 16  # of the digest in the name of a look's folder


def forget_in_looks(hand: Hand, gone: Gone, words: Collection[str]) -> None:
    """words: as in `forget_in_objects`; the pictures of a look that names one of them may show the images."""
    keys = sorted(stat.key for stat in hand.store.list("monitor/"))
    moved: dict[str, str] = {}
    for key in keys:
        if match := LOOK.fullmatch(key):
            moved |= _forget(hand, key, match[1], gone, words)
    there = {key.removesuffix(".json") for key in keys if LOOK.fullmatch(key)}
    named = {entry["key"] for key in keys if LOOK.fullmatch(key) for entry in _files(read(hand.store, key)).values()}
    for key in keys:
        if "/looks/" in key and not LOOK.fullmatch(key) and key not in named and key not in moved:
            is_left = (
                key.rpartition("/")[0].rpartition("/")[0] in there
            )  # by a look that was made anew, or not published
            if is_left or without(key, read(hand.store, key), gone) is not None:
                hand.delete(key)


def _files(look: bytes) -> dict[str, Any]:
    return json.loads(look or b"{}").get("files") or {}


def _forget(hand: Hand, key: str, folder: str, gone: Gone, words: Collection[str]) -> dict[str, str]:
    """Make a look anew where it holds something of the images; returns the keys of its files, before and now."""
    text = read(hand.store, key)
    files = {name: read(hand.store, entry["key"]) for name, entry in _files(text).items()}
    names = gone.in_bytes(text) or any(without(name, data, gone) is not None for name, data in files.items())
    may_show = names or any(word.encode() in text for word in words)
    made = {name: _anew(name, data, gone, may_show) for name, data in files.items()}
    if made == files and not gone.in_bytes(text):
        return {}
    look = json.loads(text)
    before = {name: entry["key"] for name, entry in look.pop("files", {}).items()}
    drift = json_without(look, gone)
    listed = {name: {"sha256": sha256_bytes(data), "size": len(data)} for name, data in made.items()}
    place = f"{folder}/{sha256_json([drift, listed])[:DIGITS]}/"
    for name, data in made.items():
        hand.add(place + name, data)
    named = {name: {"key": place + name, **entry} for name, entry in listed.items()}
    _follow(hand, folder, {old: place + name for name, old in before.items()})
    hand.replace(key, json_text({**drift, "files": named}).encode())
    for old in before.values():
        hand.delete(old, anew=True)
    return {old: place + name for name, old in before.items()}


def _anew(name: str, data: bytes, gone: Gone, may_show: bool) -> bytes:
    bare = without_pictures(data) if may_show and is_page(name, data) else data
    return without(name, bare, gone) or bare


def _follow(hand: Hand, folder: str, moved: dict[str, str]) -> None:
    """Let what a look started, such as a training on its candidates, name its files by their new keys."""
    model = folder.partition("/looks/")[0]
    for stat in list(hand.store.list(f"{model}/")):
        if "/looks/" not in stat.key:
            text = said = read(hand.store, stat.key)
            for before, now in moved.items():
                said = said.replace(before.encode(), now.encode())
            if said != text:
                hand.replace(stat.key, said)
