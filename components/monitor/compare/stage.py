"""Compare: test one window for drift from the reference, name what is new, and publish the look."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.alarms import FILE as WINDOW
from components.common.audits import FILE as AUDIT_FILE
from components.common.cli import Metadata
from components.common.data.images import png
from components.common.errors import BadInputError
from components.common.files import json_text, new_folder
from components.common.storage import Store, open_store
from components.monitor.audit import csv_of
from components.monitor.compare.audited import drawn
from components.monitor.compare.found import Found, found, undecided, why_not
from components.monitor.compare.told import told
from components.monitor.looks import look_at, looks, publish, read_file
from components.monitor.observed import Observed, load
from components.monitor.page.drift import SHOWN, Picture, render
from components.monitor.pictures import datasets_of, of_datasets, of_look
from components.monitor.settings import MonitorSettings
from components.releases.bundle import find, locate, verified_release

PAGE, CANDIDATES, AUDIT_CSV = "drift.html", "candidates", "audit.csv"


def run(release: str, observed: Path, settings: MonitorSettings, drift: Path) -> Metadata:
    """Test what was observed for drift from the reference, name the images that are new, and publish the look.

    release: folder or s3:// URI of the version or model that was observed; observed: of components.monitor.collect.
    drift: drift.json, drift.html, candidates.parquet and .csv. A look that cannot tell yet is not published; of two
    monitors that looked at once one publishes, and the other one hands on what that found.
    """
    artifact = load(observed)
    said = artifact.about
    about = _release(release, said) if said["version"] else {}
    store = open_store(said["store"]) if said["store"] else None
    earlier = [each for each in looks(store, said["model"]) if each["number"] < said["number"]] if store else []
    if why := why_not(artifact):
        outcome = undecided(artifact, why, earlier)
        files = _files(outcome, render(outcome.drift, [], [], settings))
    else:
        outcome = found(artifact, about, store, earlier, settings)
        before = [each for each in earlier if each["version"] == said["version"]]
        files = _with_pictures(artifact, about, store, outcome, before, settings)
        if store is not None and not publish(store, said["model"], outcome.drift, files):
            outcome, files = _published(store, said, outcome)
    with new_folder(drift) as new:
        (new / "drift.json").write_text(json_text(outcome.drift), encoding="utf-8")
        for name in files.keys() - {AUDIT_FILE, WINDOW}:
            (new / name).write_bytes(files[name])
    print("\n".join(told(outcome.drift)), flush=True)
    verdict = outcome.drift["verdict"]
    shown = {name: outcome.drift[name] for name in ("model", "version", "number", "images", "since", "until")}
    return {"drift": {**shown, "alarm": verdict["alarm"], "verdict": verdict["title"]}}


def _release(release: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """release.json of the version that was observed; BadInputError where `release` is another model."""
    model = find(open_store(locate(release)))[1]["model"]
    if model != said["model"]:
        raise BadInputError(
            f"{release}: is a release of {model}, but the answers are of {said['model']}; expected one of the same "
            "model; collect again"
        )
    return verified_release(open_store(said["release"]), "")


def _with_pictures(
    observed: Observed,
    release: Mapping[str, Any],
    store: Store | None,
    outcome: Found,
    before: list[dict[str, Any]],
    settings: MonitorSettings,
) -> dict[str, bytes]:
    """The files of a look: its page, its candidates, and what it drew for the audit."""
    candidates = outcome.candidates.slice(0, SHOWN).to_pylist()
    audit = drawn(observed, settings)
    wanted = {row["id"]: row["where"] for row in [*candidates, *audit.to_pylist()]}
    datasets = datasets_of(store, release) if store is not None and wanted else []
    images = of_look(observed.about, wanted, datasets, store)
    nearest = of_datasets({row["nearest"] for row in candidates}, reversed(datasets), store)
    classes = _classes(observed.reference)
    pairs = [
        Picture(row, images.get(row["id"]), nearest.get(row["nearest"]), classes[row["nearest"]]) for row in candidates
    ]
    files = _files(outcome, render(outcome.drift, before, pairs, settings))
    if len(audit) and store is not None:
        shown = drawn(observed, settings, {image: png(picture) for image, picture in images.items()})
        files |= {AUDIT_FILE: _parquet(shown), AUDIT_CSV: csv_of(shown).encode()}
    if outcome.drift["verdict"]["alarm"]:
        files[WINDOW] = _parquet(observed.table.select(["id"]))
    return files


def _classes(reference: pa.Table) -> dict[str, str]:
    """What each image of the reference is: its label, else what the model says."""
    ids, said = (reference.column(name).to_pylist() for name in ("id", "predicted"))
    labels = reference.column("label").to_pylist() if "label" in reference.column_names else [None] * len(ids)
    return {image: label or answer for image, label, answer in zip(ids, labels, said, strict=True)}


def _files(outcome: Found, page: str) -> dict[str, bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(outcome.candidates.column_names)
    writer.writerows(row.values() for row in outcome.candidates.to_pylist())
    return {
        PAGE: page.encode(),
        f"{CANDIDATES}.parquet": _parquet(outcome.candidates),
        f"{CANDIDATES}.csv": text.getvalue().encode(),
    }


def _parquet(table: pa.Table) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written, compression="zstd")
    return written.getvalue()


def _published(store: Store, said: Mapping[str, Any], mine: Found) -> tuple[Found, dict[str, bytes]]:
    """What another monitor published under this look's number."""
    look = look_at(store, said["model"], said["number"])
    assert look is not None  # or it would have been published
    print(f"look {said['number']} was published by another monitor meanwhile: what that found counts", flush=True)
    files = {name: read_file(store, look, name) for name in look["files"]}
    theirs = {name: value for name, value in look.items() if name != "files"}
    return Found(theirs, mine.candidates), files
