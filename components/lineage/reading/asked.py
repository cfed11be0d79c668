"""Where people were asked about an image, and why: candidates of rounds of labelling, and looks of the watch."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from components.common.storage import Stat, Store
from components.lineage.reading.columns import in_readers, rows_of

TABLES = re.compile(
    r"(?P<folder>candidates/(?P<name>[^/]+)/[0-9a-f]{12})/candidates\.parquet"
    r"|(?P<written>monitor/(?P<model>[^/]+)/looks/(?P<look>\d+))/[0-9a-f]+/(?P<kind>candidates|audit)\.parquet"
)
COLUMNS = ("id", "purpose", "rank", "reason")
DRAWN = "drawn at random, to measure what is served"


class Asked(NamedTuple):
    """An image among those that people were asked about."""

    id: str
    where: str  # key of the folder, or of the table of a look
    what: str  # "round 2" or "look 12", as far as it is known
    purpose: str  # as of a label; empty where the watch asks
    reason: str


def asked_about(store: Store, ids: Sequence[str]) -> list[Asked]:
    """Where images stand whose ids begin with one of `ids`, the oldest first. Candidates may have been cleaned up since
    (`gleaner store gc`), and are not known then.
    """
    tables = [
        (stat, match)
        for prefix in ("candidates/", "monitor/")
        for stat in store.list(prefix)
        if (match := TABLES.fullmatch(stat.key))
    ]
    tables.sort(key=lambda one: (one[0].modified, one[0].key))

    def look(one: tuple[Stat, re.Match[str]]) -> list[Asked]:
        stat, match = one
        rows = rows_of(store, stat, "id", ids, COLUMNS)
        if rows is None:
            return []
        if match["look"] and stat.key not in _files(store, f"{match['written']}.json"):
            return []  # of a monitor that was killed, or whose look another one was faster with
        if match["look"]:
            where, what, reason = stat.key, f"look {int(match['look'])}", DRAWN if match["kind"] == "audit" else ""
        else:
            where, what, reason = match["folder"], _round(store, match["folder"]), ""
        return [
            Asked(row["id"], where, what, row.get("purpose") or "", row.get("reason") or reason)
            for row in rows.to_pylist()
        ]

    return [one for found in in_readers(look, tables) for one in found]


def _files(store: Store, look: str) -> list[str]:
    """Keys of the files that a look names; none where there is no such look."""
    return [file["key"] for file in _json(store, look).get("files", {}).values()]


def _round(store: Store, folder: str) -> str:
    """The round that candidates were asked in, where their summary says one."""
    about = _json(store, f"{folder}/summary.json")
    return f"round {about['round']}" if about.get("round") else ""


def _json(store: Store, key: str) -> dict[str, Any]:
    """A JSON object of the store; empty while it is being published or removed."""
    try:
        return json.loads(store.read(key))
    except (KeyError, ValueError):
        return {}
