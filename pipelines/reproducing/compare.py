"""Compare a release with what its stages made again: byte by byte, and why they may differ."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from components.common.files import sha256_bytes
from components.releases.provenance import FILE as PROVENANCE
from components.releases.provenance import made_with

SHOWN = 3  # values of a JSON file that are told
MISSING = "nothing"


class File(NamedTuple):
    """One file of the release: how it differs from the one that was made again; "" where it is equal."""

    name: str
    differs: str


def compare(released: Path, again: Path, made: Iterable[str]) -> list[File]:
    """Every file of two releases, by name. made: those of the second, without what follows from them (release.json, the
    sums and their signature).
    """
    names = sorted({*(path.name for path in released.iterdir()), *made})
    return [File(name, _difference(released / name, again / name)) for name in names]


def causes(released: Path, again: Path) -> list[str]:
    """What the two were made with that differs: code, libraries, Python, processor; a line each."""
    here, there = (json.loads((folder / PROVENANCE).read_bytes()) for folder in (again, released))
    was, now = ({"code": _code(said), **made_with(said)} for said in (there, here))
    return [
        f"{name}: {was.get(name, MISSING)} then, {now.get(name, MISSING)} now"
        for name in sorted({*was, *now})
        if was.get(name) != now.get(name)
    ]


def timed(released: Path) -> list[str]:
    """Gates of a release that are on a time, which no two runs measure alike."""
    gates = json.loads((released / "gate.json").read_bytes())["gates"]
    return [gate["name"] for gate in gates if "latency" in gate["name"]]


def _code(said: dict[str, Any]) -> str:
    named = {each["name"]: each for each in said["predicate"]["buildDefinition"]["resolvedDependencies"]}
    return named["gleaner"]["digest"]["gleanerCode"][:12]


def _difference(released: Path, again: Path) -> str:
    for path, which in ((released, "the release has none"), (again, "none was made this time")):
        if not path.is_file():
            return which
    was, now = released.read_bytes(), again.read_bytes()
    if was == now:
        return ""
    if released.suffix == ".json":
        told = sorted(_values(json.loads(was), json.loads(now), ""), key=lambda text: not text.startswith("settings"))
        more = f", and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        if told:
            return "; ".join(told[:SHOWN]) + more
    return f"sha256 {sha256_bytes(was)[:12]} then, {sha256_bytes(now)[:12]} now"


def _values(was: Any, now: Any, path: str) -> Iterator[str]:
    """Each value that differs, by its path."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted({*was, *now}):
            yield from _values(was.get(key, MISSING), now.get(key, MISSING), f"{path}.{key}".lstrip("."))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for place, pair in enumerate(zip(was, now, strict=True)):
            yield from _values(*pair, f"{path}[{place}]")
    elif was != now:
        yield f"{path} {_short(was)} then, {_short(now)} now"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}…"
