"""`gleaner release list`, `show` and `history`: what there is, what was said of it, and what was decided."""

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from components.common.errors import BadInputError
from components.common.files import json_text
from components.releases import champion as champions
from components.releases.bundle import verified_release
from components.releases.deciding.options import add_command, add_output, one_version, opened, versions
from components.releases.deciding.outside import digest_of
from components.releases.history import MOVES, PUBLISHED, REJECTED, Event

NOTHING = "-"  # in a cell
DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


def add_list(commands: Any, common: argparse.ArgumentParser) -> None:
    made = add_command(
        commands,
        [common],
        "list",
        "every release of a model, the newest first",
        "Every release of a model, the newest first, and what became of it.",
        "  gleaner release list -c my.yaml\n  gleaner release list s3://bucket/gleaner/releases/mnist -o json",
    )
    made.add_argument("words", metavar="PLACE", nargs="*", help="where they are, without -c")
    add_output(made)
    made.set_defaults(run=_list)


def add_show(commands: Any, common: argparse.ArgumentParser) -> None:
    made = add_command(
        commands,
        [common],
        "show",
        "one release: what it is made of, and what was decided about it",
        "One release: what it is made of, its files, and what was decided about it. Without VERSION, the champion.",
        "  gleaner release show -c my.yaml\n  gleaner release show 3f9c12ab -c my.yaml -o json",
    )
    made.add_argument("words", metavar="[PLACE] VERSION", nargs="*", help="its first digits do, at least four")
    add_output(made)
    made.set_defaults(run=_show)


def add_history(commands: Any, common: argparse.ArgumentParser) -> None:
    made = add_command(
        commands,
        [common],
        "history",
        "who decided what, when, from what and why",
        "Everything that was published and decided, the oldest first. Nothing is ever removed from it.",
        "  gleaner release history -c my.yaml\n  gleaner release history store/releases/mnist -o json",
    )
    made.add_argument("words", metavar="PLACE", nargs="*", help="where they are, without -c")
    add_output(made)
    made.set_defaults(run=_history)


def state_of(version: str, told: Sequence[Event], champion: str | None, compared: str | None) -> str:
    """What became of a release, in a word or two. compared: the champion that it was compared with, where known."""
    about = [event for event in told if event["version"] == version or event.get("previous") == version]
    decisions = [event for event in about if "number" in event and event["what"] in (*MOVES, REJECTED)]
    if version == champion:
        return "champion"
    if decisions and decisions[-1]["what"] == REJECTED and decisions[-1]["version"] == version:
        return "rejected"
    if decisions and decisions[-1]["what"] == "rolled-back":
        return "rolled back"
    if any(event["version"] == version for event in decisions):
        return "superseded"
    if any(event["what"] == PUBLISHED and not event["passed"] for event in about):
        return "not passed"
    return "waiting" if champion is None or compared == champion else "superseded"


def _list(options: argparse.Namespace) -> int:
    which, words = opened(options)
    if words:
        raise BadInputError(f"expected no VERSION, got {' '.join(words)}; `gleaner release show` shows one")
    told = champions.history(which.store, which.model)
    now = champions.champion(which.store, which.model)
    rows = []
    for version, modified in versions(which).items():
        release = verified_release(which.store, f"{which.root}{version}/")
        noted = next((event for event in told if event["what"] == PUBLISHED and event["version"] == version), None)
        compared = release.get("compared_with") or None
        rows.append(
            {
                "version": version,
                "state": state_of(version, told, now and now.version, compared),
                "published": noted["when"] if noted else _time(modified),
                "by": noted["who"] if noted else "",
                "compared_with": compared or "",
                "verdict": noted["why"] if noted else "",
            }
        )
    rows.sort(key=lambda row: (row["published"], row["version"]), reverse=True)
    if options.output == "json":
        print(json_text(rows), end="")
    elif rows:
        shown = [{**row, "published": _time_of(row["published"])} for row in rows]
        table([("version", "state", "published", "compared with", "verdict")], shown)
    else:
        print(f"no releases of {which.model} in {which.store.uri}")
    return 0


def _show(options: argparse.Namespace) -> int:
    which, words = opened(options)
    now = champions.champion(which.store, which.model)
    if not words and now is None:
        raise BadInputError(f"{which.store.uri}/{which.root}: has no champion yet; say a VERSION")
    version = one_version(which, words or [now.version if now else ""])
    release = verified_release(which.store, f"{which.root}{version}/")
    told = champions.history(which.store, which.model)
    about = [event for event in told if version in (event["version"], event.get("previous"))]
    compared = release.get("compared_with") or None
    state = state_of(version, told, now and now.version, compared)
    if options.output == "json":
        print(json_text({"release": release, "digest": digest_of(release), "state": state, "history": about}), end="")
        return 0
    lines = {
        "version": version,
        "state": state,
        "place": f"{which.store.uri}/{which.root}{version}",
        "digest": digest_of(release),
        "classes": ", ".join(release.get("classes", [])),
        "temperature": f"{release['temperature']:.4f}" if "temperature" in release else NOTHING,
        "compared with": compared or NOTHING,
        **{name: str(value) for name, value in release.get("digests", {}).items()},
        "files": f"{len(release['files'])}, {sum(one['size'] for one in release['files'].values()) / 1e6:.1f} MB",
    }
    width = max(map(len, lines)) + 2
    print("\n".join(f"{name + ':':<{width}}{value}" for name, value in lines.items()))
    print()
    _events(about)
    return 0


def _history(options: argparse.Namespace) -> int:
    which, words = opened(options)
    if words:
        raise BadInputError(f"expected no VERSION, got {' '.join(words)}; `gleaner release show` shows one")
    told = champions.history(which.store, which.model)
    if options.output == "json":
        print(json_text(told), end="")
    elif told:
        _events(told)
    else:
        print(f"nothing was published of {which.model} in {which.store.uri}")
    return 0


def _events(told: Sequence[Event]) -> None:
    rows = [
        {
            "when": _time_of(event["when"]),
            "what": event["what"] + (" (forced)" if event.get("forced") else ""),
            "version": event["version"],
            "after": event.get("previous") or "",
            "who": event["who"],
            "from": event["from"] + (f" {event['commit'][:12]}" if event.get("commit") else ""),
            "why": event["why"],
        }
        for event in told
    ]
    table([("when", "what", "version", "after", "who", "from", "why")], rows)


def table(columns: Sequence[Sequence[str]], rows: Sequence[dict[str, Any]]) -> None:
    """Print rows under headings."""
    [names] = columns
    print("\n".join(table_lines(names, rows)))


def table_lines(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[str]:
    """Rows under headings in capitals, three spaces apart, as kubectl does; the last column is never cut."""
    cells = [[str(row[name.replace(" ", "_")]) or NOTHING for name in names] for row in rows]
    lines = [[name.upper() for name in names], *([_line(cell) for cell in row] for row in cells)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(names))]
    return ["   ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _line(text: str) -> str:
    """On one line, with the beginning of each digest."""
    return DIGEST.sub(r"\1", " ".join(text.split())) or NOTHING


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _time_of(when: str) -> str:
    return when[:19].replace("T", " ")
