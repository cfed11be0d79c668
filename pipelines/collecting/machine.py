"""Find run folders and cache entries on this machine that nothing refers to any more.

Folders stay that are young, that hold the newest run of their name that ended well, or whose artifacts one of these
took from the cache. An entry of the cache goes with the folders that hold its artifacts, and before them.
"""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.common.errors import BadInputError
from components.common.files import read_json
from pipelines.collecting.contents import Thing
from pipelines.collecting.sweep import DAY, Found

STAMP = re.compile(r"(?P<name>.+)-\d{8}-\d{6}(-\d+)?")  # as pipelines/local/record.py names them


class Runs:
    """The runs in a working folder, and which of them stay."""

    def __init__(self, workdir: Path, days: float) -> None:
        self.workdir = workdir.resolve()
        self.before = time.time() - days * DAY
        folders = sorted(path for path in self.workdir.glob("runs/*") if path.is_dir() and STAMP.fullmatch(path.name))
        self.things = {path: _thing(path, "run") for path in folders}
        self.kept = self._kept()

    def datasets(self, all_stay: bool) -> set[str]:
        """Ids of the datasets that runs which stay are made of."""
        stay = self.things if all_stay else self.kept
        return {_json(path).get("id", "") for run in stay for path in run.glob("*/*/dataset.json")}

    def found(self) -> Iterator[Found]:
        """What may go, in the order in which to remove it."""
        gone = self.things.keys() - self.kept
        for path in sorted(self.workdir.glob("cache/*.json")):
            entry = _thing(path, "cache entry")
            places = {self._run_of(uri) for uri in _uris(_json(path))} - {None}
            if entry.modified < self.before and any(place in gone or not place.is_dir() for place in places if place):
                yield Found(entry, "its run is none to keep", [])
        for path in sorted(gone):
            yield Found(self.things[path], "no later run uses it", [])

    def remove(self) -> Iterator[Found]:
        """Remove it, and yield what is gone."""
        for one in self.found():
            path = Path(one.thing.key)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            yield one

    def _kept(self) -> set[Path]:
        records = {path: _json(path / "run.json") for path in self.things}
        newest: dict[str, Path] = {}
        for path, record in records.items():  # by name, so by time
            match = STAMP.fullmatch(path.name)
            if match and record and record.get("failure") is None:
                newest[match["name"]] = path
        kept = set(newest.values()) | {path for path, thing in self.things.items() if thing.modified >= self.before}
        return kept | {place for path in kept for uri in _uris(records[path]) if (place := self._run_of(uri))}

    def _run_of(self, uri: str) -> Path | None:
        """The folder of the run that an artifact lies in."""
        runs = self.workdir / "runs"
        path = Path(uri).resolve()
        return runs / path.relative_to(runs).parts[0] if path.is_relative_to(runs) and path != runs else None


def _thing(path: Path, kind: str) -> Thing:
    files = [path] if path.is_file() else [path, *path.rglob("*")]
    stats = [each.lstat() for each in files]
    return Thing(str(path), kind, "", sum(stat.st_size for stat in stats), len(stats), max(s.st_mtime for s in stats))


def _json(path: Path) -> Any:
    """A record; nothing where a killed run left none."""
    try:
        return read_json(path)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise BadInputError(f"{path}: cannot be read ({error}); remove it, or restore it") from None


def _uris(value: Any) -> Iterator[str]:
    """Where the artifacts lie that a record names, however deep."""
    if isinstance(value, dict):
        if isinstance(value.get("uri"), str):
            yield value["uri"]
        for inner in value.values():
            yield from _uris(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _uris(inner)
