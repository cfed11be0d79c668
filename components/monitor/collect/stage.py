"""Collect: one window of what a release answered, or its answers for images, beside its reference."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from components.common import clock
from components.common.cli import Metadata
from components.common.errors import BadInputError
from components.common.storage import open_store
from components.monitor.collect.classified import classified
from components.monitor.collect.found import Found
from components.monitor.collect.logged import Window, logged
from components.monitor.looks import last, window
from components.monitor.observed import REFERENCE, SCHEMA, save
from components.monitor.settings import MonitorSettings
from components.releases.bundle import awaited, log_of, resolved, store_of, verified_file
from components.releases.model import AGAIN

CALIBRATION = "calibration.json"


def run(release: str, source: str, settings: MonitorSettings, observed: Path) -> Metadata:
    """Take what the release answered since the last look, or have it answer for images, beside its reference.

    release: folder or s3:// URI of a model, whose champion is watched, or of a version. source: empty for the serving
    log; else a folder, s3:// prefix, pattern, archive or table of images. observed: as components/monitor/observed.py
    says. Where nothing can be told yet, as before the first promotion, its `why` says so. Raises BadInputError where
    the release has no reference, where there is no log or no image, and where the last look ended after now.
    """
    if none := awaited(release):
        return _none(observed, *none, settings)
    place, about = resolved(release)
    files = _files(place, about)
    home = store_of(place, about)
    before = last(open_store(home), about["model"]) if home else None
    number = before["number"] + 1 if before else 1
    since, until = window(before, clock.now(), settings)
    rng = np.random.default_rng([settings.seed, number])
    if source:
        with tempfile.TemporaryDirectory(prefix="gleaner-collect-") as scratch:
            found = classified(source, place, since, until, rng, settings, Path(scratch))
    else:
        asked = Window(about["model"], about["version"], len(about["classes"]), since, until, before is None)
        found = logged(_log(place, about, settings), asked, rng, settings)
    why = found.why_not(settings, source)
    said = {
        "model": about["model"],
        "version": about["version"],
        "release": place,
        "store": home,
        "classes": about["classes"],
        "temperature": about["temperature"],
        "thresholds": json.loads(files[CALIBRATION]).get("thresholds"),
        "source": "images" if source else "log",
        "number": number,
        "previous": before["number"] if before else None,
        "why": why,
        **_told(found),
    }
    save(observed, said, found.table, files)
    print(f"{len(found.table):,} of {found.seen:,} images of {found.place}{f': {why}' if why else ''}", flush=True)
    return {"observed": {name: said[name] for name in ("model", "version", "images", "number", "since", "until")}}


def _none(observed: Path, store: str, model: str, settings: MonitorSettings) -> Metadata:
    """Write what a look is made from where there is no champion to look at, so that a schedule may come before it."""
    since, until = (time.isoformat() for time in window(None, clock.now(), settings))
    why = f"no release of {model} is the champion yet: a run whose model passes its gates makes one"
    said: dict[str, Any] = {
        "model": model,
        "version": "",
        "release": "",
        "store": store,
        "classes": [],
        "temperature": None,
        "thresholds": None,
        "source": "log",
        "number": 1,
        "previous": None,
        "why": why,
        "place": "",
        "since": since,
        "until": until,
        "images": 0,
        "seen": 0,
        "unreadable": 0,
        "others": {},
    }
    save(observed, said, SCHEMA.empty_table(), {})
    print(why, flush=True)
    return {"observed": {"model": model, "why": why}}


def _told(found: Found) -> dict[str, Any]:
    """What observed.json says of it."""
    return {
        "place": found.place,
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "images": len(found.table),
        "seen": found.seen,
        "unreadable": found.unreadable,
        "others": found.others,
    }


def _files(place: str, about: dict[str, Any]) -> dict[str, bytes]:
    """The reference and calibration.json of a release, verified; BadInputError where it has none."""
    store = open_store(place)
    for name in (*REFERENCE, CALIBRATION):
        if name not in about["files"]:
            raise BadInputError(f"{place}/release.json: lists no {name}, which a watch compares with; {AGAIN}")
    return {name: verified_file(store, "", about, name) for name in (*REFERENCE, CALIBRATION)}


def _log(place: str, about: dict[str, Any], settings: MonitorSettings) -> str:
    """Where the serving log lies, from wherever it is read."""
    log = settings.log or log_of(place, about)
    if log is None:
        raise BadInputError(f"{place}: lies in no store that could hold the log; say where it is (monitor.log)")
    return log if "://" in log else str(Path(log).expanduser().absolute())
