"""List objects of the API server, then watch their changes."""

import time
from collections.abc import Callable
from typing import Any

from components.common.errors import FailedError
from components.common.trainjob.cluster import PATIENCE, WATCH, BrokenError, Cluster, GoneError

Seen = Callable[[dict[str, Any], bool], None]
"""Called with an object and whether it is there (else it was deleted)."""


def watch(cluster: Cluster, path: str, selector: dict[str, str], seen: Seen) -> None:
    """Tell every object and every change of one, for ever: after a break from where it was, after 410 from a new list.

    An object that went while nobody looked is told as deleted too.
    """
    known: dict[str, dict[str, Any]] = {}
    version = ""
    attempt = 0
    answered = time.monotonic()
    while True:
        try:
            if not version:
                version = _list(cluster, path, selector, known, seen)
            for event in cluster.watch(path, version, **selector):
                attempt = 0
                answered = time.monotonic()
                version = _told(event, known, seen)
            attempt = 0
            answered = time.monotonic()
        except GoneError:
            cluster.say("API server: the history of a watch is gone; listing again")
            version = ""
        except BrokenError as error:
            if time.monotonic() - answered > WATCH + PATIENCE:  # a watch may rightly be silent that long
                raise FailedError(f"the API server gave no answer for {PATIENCE:g} s: {error}") from None
            cluster.pause(error, attempt)
            attempt += 1


def _list(cluster: Cluster, path: str, selector: dict[str, str], known: dict[str, dict[str, Any]], seen: Seen) -> str:
    """Tell what is there and what is no longer; returns the version to watch from."""
    listed = cluster.list(path, **selector)
    there = {item["metadata"]["uid"]: item for item in listed["items"]}
    for uid in known.keys() - there.keys():
        seen(known.pop(uid), False)
    for uid, item in there.items():
        known[uid] = item
        seen(item, True)
    return listed["metadata"]["resourceVersion"]


def _told(event: dict[str, Any], known: dict[str, dict[str, Any]], seen: Seen) -> str:
    """Tell one event; returns the version to go on from."""
    item = event["object"]
    if event["type"] == "ERROR":
        if item.get("code") == 410:
            raise GoneError
        raise BrokenError(f"a watch ended with {item.get('code')} {item.get('message', '')}")
    if event["type"] != "BOOKMARK":
        there = event["type"] != "DELETED"
        known[item["metadata"]["uid"]] = item
        seen(item, there)
        if not there:
            del known[item["metadata"]["uid"]]
    return item["metadata"]["resourceVersion"]
