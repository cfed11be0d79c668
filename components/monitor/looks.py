"""The looks at a served model, in its store: what each of them found, in order.

    monitor/<model>/looks/<number>.json             drift.json of a look, and where its files lie; written last
    monitor/<model>/looks/<number>/<digest>/<name>  drift.html, candidates.parquet and such; <digest>: of all of them

A look is what its .json says. Of two monitors that look at once, one publishes; whatever else was written under that
number, by the other one or by one that was killed, is removed.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from components.common.errors import BadInputError
from components.common.files import json_text, sha256_bytes, sha256_json
from components.common.storage import IntegrityError, Store
from components.monitor.settings import MonitorSettings

DIGITS = 16  # of the digest in a folder's name
NAME = re.compile(r"(\d{6})\.json")
FILE = re.compile(r"(\d{6})/([0-9a-f]+)/")

Look = dict[str, Any]
"""drift.json, and `files`: {name: {"key", "sha256", "size"}}."""


def looks(store: Store, model: str) -> list[Look]:
    """All looks at a model, the first one first."""
    return [_read(store, model, number) for number in _numbers(store, model)]


def last(store: Store, model: str) -> Look | None:
    """The newest look at a model; None where there was none."""
    numbers = _numbers(store, model)
    return _read(store, model, numbers[-1]) if numbers else None


def look_at(store: Store, model: str, number: int) -> Look | None:
    """The look of that number; None where there is none."""
    return _read(store, model, number) if store.stat(_key(model, number)) is not None else None


def publish(store: Store, model: str, drift: dict[str, Any], files: Mapping[str, bytes]) -> bool:
    """Make drift.json and its files the look of its `number`; False where another monitor has looked meanwhile.

    Nothing of a look that is there is changed. The same look published again, as after a crash, is there: True.
    """
    number = drift["number"]
    listed = {name: {"sha256": sha256_bytes(data), "size": len(data)} for name, data in files.items()}
    folder = f"{_folder(model)}{number:06d}/{sha256_json([drift, listed])[:DIGITS]}/"
    look = {**drift, "files": {name: {"key": folder + name, **entry} for name, entry in listed.items()}}
    key, said = _key(model, number), json_text(look).encode()
    if store.stat(key) is None:
        for name, data in files.items():
            store.write(folder + name, data)
        store.write_if_absent(key, said)
    _clear(store, model, number)
    return store.read(key) == said


def place_of(store: Store, look: Look, name: str) -> str:
    """Path or URI of one file of a look; BadInputError where it has none of that name."""
    return f"{store.uri}/{_entry(look, name)['key']}"


def read_file(store: Store, look: Look, name: str) -> bytes:
    """One file of a look, verified; BadInputError where it has none of that name."""
    entry = _entry(look, name)
    return store.read_verified(entry["key"], entry["sha256"], entry["size"])


def window(last: Look | None, now: datetime, settings: MonitorSettings) -> tuple[datetime, datetime]:
    """From when to when the next look looks: it goes on where the last one ended, so that no window overlaps another.

    Raises BadInputError where the last look ended after now, as where a clock was set back.
    """
    if last is None:
        return now - timedelta(days=settings.every_days), now
    since = datetime.fromisoformat(last["until"])
    if since >= now:
        raise BadInputError(
            f"look {last['number']} of {last['model']} ended at {last['until']}, {_span(since - now)} after now "
            f"({now.isoformat(timespec='seconds')}): expected one that is past; set this machine's clock right, or, "
            f"where that look's was wrong, remove {_key(last['model'], last['number'])} from the store"
        )
    return since, now


def _span(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _folder(model: str) -> str:
    return f"monitor/{model}/looks/"


def _key(model: str, number: int) -> str:
    return f"{_folder(model)}{number:06d}.json"


def _numbers(store: Store, model: str) -> list[int]:
    """Numbers of the looks that there are, ascending."""
    names = (stat.key.removeprefix(_folder(model)) for stat in store.list(_folder(model)))
    return sorted(int(found[1]) for found in map(NAME.fullmatch, names) if found)


def _read(store: Store, model: str, number: int) -> Look:
    key = _key(model, number)
    try:
        look = json.loads(store.read(key))
        if look["format"] == 1 and look["number"] == number and datetime.fromisoformat(look["until"]).tzinfo:
            return look
    except (ValueError, TypeError, KeyError):
        pass
    raise IntegrityError(f"{store.uri}/{key}: is no look that this version of Gleaner reads; restore it, or remove it")


def _entry(look: Look, name: str) -> dict[str, Any]:
    if name not in look["files"]:
        raise BadInputError(
            f"look {look['number']} of {look['model']} has no {name}; it has {', '.join(look['files'])}"
        )
    return look["files"][name]


def _clear(store: Store, model: str, number: int) -> None:
    """Remove what lies under the numbers up to that one, and no look names."""
    written: dict[int, dict[str, list[str]]] = {}  # keys, by number and folder
    for stat in store.list(_folder(model)):
        if (found := FILE.match(stat.key.removeprefix(_folder(model)))) and int(found[1]) <= number:
            written.setdefault(int(found[1]), {}).setdefault(found[2], []).append(stat.key)
    for each, folders in written.items():
        if (each == number or len(folders) > 1) and (look := look_at(store, model, each)):
            named = {entry["key"] for entry in look["files"].values()}
            for key in {key for keys in folders.values() for key in keys} - named:
                store.delete(key)
