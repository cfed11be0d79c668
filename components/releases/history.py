"""What was decided about the releases of a model: events that are only ever added.

    releases/<model>/history/published-<version>.json         a bundle was published, once for each version
    releases/<model>/history/<number>-<what>-<version>.json   a decision, numbered from 1 by the champion pointer
    releases/<model>/history/committed-<number>.json          that decision is in the repository that a cluster follows
    releases/<model>/history/forgot-<version>-<time>.json     images that it had to do with were forgotten

A decision holds "after", the digest of the one before it, so that one that is missing or was changed is seen.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

from components.common.files import json_text, sha256_json
from components.common.storage import IntegrityError, Store

PUBLISHED, PROMOTED, APPROVED = "published", "promoted", "approved"
REJECTED, ROLLED_BACK, COMMITTED, FORGOT = "rejected", "rolled-back", "committed", "forgot"
MOVES = (PROMOTED, APPROVED, ROLLED_BACK)
"""Decisions after which `version` is the champion."""
NOTES = (PUBLISHED, COMMITTED, FORGOT)
"""What happened without a decision."""

Event = dict[str, Any]


def folder(model: str) -> str:
    return f"releases/{model}/history/"


def key(model: str, event: Event) -> str:
    """Where an event is kept: one place for each version that is published, each decision, and the commit of each."""
    if event["what"] == COMMITTED:
        return f"{folder(model)}{COMMITTED}-{event['number']:06d}.json"
    if event["what"] == PUBLISHED:
        return f"{folder(model)}{PUBLISHED}-{event['version']}.json"
    if event["what"] == FORGOT:
        return f"{folder(model)}{FORGOT}-{event['version']}-{re.sub('[^0-9]', '', event['when'])}.json"
    return f"{folder(model)}{event['number']:06d}-{event['what']}-{event['version']}.json"


def keep(store: Store, model: str, event: Event) -> bool:
    """Add an event where it is absent; False where it was there.

    Raises IntegrityError where another decision stands in its place, as after tampering.
    """
    place = key(model, event)
    if store.write_if_absent(place, json_text(event).encode()):
        return True
    if event["what"] not in NOTES and _read(store, place) != event:
        raise IntegrityError(
            f"{store.uri}/{place}: holds another decision than champion.json; restore it, nothing is decided until then"
        )
    return False


def events(store: Store, model: str, newest: Event | None) -> list[Event]:
    """All events, the oldest first. newest: the one in the champion pointer, which whoever moved the pointer may not
    have lived to write down.

    Raises IntegrityError where a decision is missing or was changed.
    """
    found = [_read(store, stat.key) for stat in store.list(folder(model)) if stat.key.endswith(".json")]
    decided = {event["number"]: event for event in found if event["what"] not in NOTES}
    if newest:
        decided.setdefault(newest["number"], newest)
    ordered = [decided[number] for number in sorted(decided)]
    for place, event in enumerate(ordered, 1):
        before = ordered[place - 2] if place > 1 else None
        if event["number"] != place or event["after"] != digest(before):
            raise IntegrityError(
                f"{store.uri}/{folder(model)}: decision {place if event['number'] != place else place - 1} is missing "
                "or was changed; restore it"
            )
    if newest and ordered[-1] != newest:
        raise IntegrityError(
            f"{store.uri}/{folder(model)}: decision {ordered[-1]['number']} is another than champion.json holds; "
            "restore it"
        )
    notes = [event for event in found if event["what"] in NOTES]
    return sorted([*notes, *ordered], key=lambda event: (event["when"], event.get("number", 0)))


def digest(event: Event | None) -> str:
    return sha256_json(event) if event else ""


def line_of(told: list[Event]) -> list[str]:
    """The champions one after another, without those that were rolled back: the last is the champion, and the one
    before it is what a rollback returns to.
    """
    line: list[str] = []
    for event in told:
        if event["what"] == ROLLED_BACK and event["version"] in line:
            del line[line.index(event["version"]) + 1 :]
        elif event["what"] in MOVES:
            if event["previous"] and not line:  # of a pointer from before histories were kept
                line.append(event["previous"])
            if event["version"] in line:
                line.remove(event["version"])
            line.append(event["version"])
    return line


def now(not_before: str = "") -> str:
    """The time, to the millisecond in UTC; not before the newest event, whatever the clocks of machines say."""
    return max(datetime.now(UTC).isoformat(timespec="milliseconds"), not_before)


def _read(store: Store, place: str) -> Event:
    try:
        event: Event = json.loads(store.read(place))
        known = {"what", "version", "when"} <= event.keys()
        if known and (event["what"] in (PUBLISHED, FORGOT) or "number" in event):
            return event
    except KeyError:
        raise IntegrityError(f"{store.uri}/{place}: gone since it was listed; restore it") from None
    except (ValueError, AttributeError):
        pass
    raise IntegrityError(f"{store.uri}/{place}: is no event of a release; restore it")
