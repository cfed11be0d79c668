"""Publish an immutable bundle and move the champion pointer, or record which gate forbids it."""

import re
from pathlib import Path
from typing import Any

from components.common.artifacts import load_about
from components.common.cli import Metadata
from components.common.code import code_digest
from components.common.errors import BadInputError
from components.common.files import json_text, new_folder, read_json, sha256_bytes, write_json
from components.common.storage import open_store
from components.common.waiting import sentence, waiting_in
from components.release.settings import ReleaseSettings
from components.releases.automatic import decide
from components.releases.bundle import describe, publish
from components.releases.champion import champion
from components.releases.gitops.repository import Target
from components.releases.outside import Outside


def run(
    classifier: Path,
    calibration: Path,
    evaluation: Path,
    name: str,
    store: str,
    settings: ReleaseSettings,
    release: Path,
) -> Metadata:
    """Publish an immutable bundle and move the champion pointer if every gate passes; else record why not."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise BadInputError(
            f"name {name!r} cannot be part of an address; expected letters, digits, dots, dashes and underscores"
        )
    if waiting := waiting_in(classifier, evaluation):
        line = sentence(waiting, store)
        told = _record(release, nothing(name, line, []))
        return {"release": {**told["release"], "waiting": line}}
    verdict = _read(evaluation / "gate.json", "evaluate")
    if not verdict["passed"]:
        failed = [gate for gate in verdict["gates"] if not gate["passed"]]
        why = "; ".join(f"{gate['name']}: {gate['why']}" for gate in failed)
        return _record(release, nothing(name, f"not released: {why}", verdict["gates"]))
    files = bundle_files(classifier, calibration, evaluation)
    described = describe(
        files, {**about(classifier, calibration, evaluation, name, files), **_run(evaluation, settings)}
    )
    target = open_store(store)
    folder = publish(target, described, files)
    now = champion(target, name)
    done = decide(
        target,
        described,
        told_to(settings),
        passed=True,
        verdict="every gate passed",
        auto=settings.promote == "auto",
        expected=now.version if now else None,
        source=f"run {settings.run_key}" if settings.run_key else "components.release",
    )
    for line in done.told:
        print(line, flush=True)
    published = f"{target.uri}/{folder}".rstrip("/")
    told = _record(
        release,
        {
            "model": name,
            "promoted": done.promoted,
            "version": described["version"],
            "published": published,
            "why": "; ".join([done.why, *done.told]),
            "gates": verdict["gates"],
            "release": described,
        },
    )
    return {"release": {**told["release"], **({"waits": True} if done.waits else {})}}


def told_to(settings: ReleaseSettings) -> Outside:
    """Who is told of a promotion."""
    gitops = settings.gitops
    if gitops.repository is None:
        return Outside(None, settings.registry)
    return Outside(Target(gitops.repository, gitops.branch, gitops.path, gitops.review), settings.registry)


def nothing(name: str, why: str, gates: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of a run that releases nothing."""
    return {
        "model": name,
        "promoted": False,
        "version": "",
        "published": "",
        "why": why,
        "gates": gates,
        "release": None,
    }


def bundle_files(classifier: Path, calibration: Path, evaluation: Path) -> dict[str, bytes]:
    """Contents of the bundle by name, all but release.json."""
    spec, _ = load_about(classifier, "classifier")
    preprocessing = {
        "format": 1,
        "mode": spec.mode,
        "image_size": spec.image_size,
        "mean": spec.mean,
        "std": spec.std,
        "resize": "upright by EXIF; the centre square, resized once to image_size, bilinear with antialiasing; "
        "pixels / 255, minus mean, over std",
    }
    return {
        "classifier.safetensors": (classifier / "classifier.safetensors").read_bytes(),
        "classifier.json": (classifier / "classifier.json").read_bytes(),
        "preprocessing.json": json_text(preprocessing).encode(),
        "calibration.json": (calibration / "calibration.json").read_bytes(),
        "metrics.json": (evaluation / "metrics.json").read_bytes(),
        "gate.json": (evaluation / "gate.json").read_bytes(),
    }


def about(
    classifier: Path,
    calibration: Path,
    evaluation: Path,
    name: str,
    files: dict[str, bytes],
) -> dict[str, Any]:
    """What a release says of itself; raises BadInputError where the parts are not of one model."""
    _, classifier_about = load_about(classifier, "classifier")
    fitted = _read(calibration / "calibration.json", "calibrate")
    measured = _read(evaluation / "metrics.json", "evaluate")
    weights = sha256_bytes(files["classifier.safetensors"])
    for stage, digest in (
        ("calibrate", fitted["classifier"]),
        ("evaluate", measured["provenance"]["classifier"]["sha256"]),
    ):
        if digest != weights:
            raise BadInputError(
                f"{classifier}: sha256 {weights[:12]}, but {stage} saw {digest[:12]}; run {stage} on this classifier"
            )
    if measured["temperature"] != fitted["temperature"]:
        raise BadInputError(
            f"{evaluation}: measured at T={measured['temperature']}, but {calibration} has {fitted['temperature']}; "
            "run evaluate on this calibration"
        )
    learned_from = {what: classifier_about[what] for what in ("dataset", "labels")}
    seen = measured["provenance"]
    measured_on = {"dataset": seen["dataset"]["id"], "labels": seen["labels"]["sha256"]}
    for what, digest in learned_from.items():
        if measured_on[what] != digest:
            raise BadInputError(
                f"{evaluation}: measured on {what} {measured_on[what][:12]}, but {classifier} learned from "
                f"{digest[:12]}; run evaluate on the {what} of this classifier"
            )
    settings = {
        classifier_about["stage"]: classifier_about["settings"],
        "evaluate": measured["provenance"]["evaluate"]["settings"],
    }
    return {
        "model": name,
        "classes": classifier_about["classes"],
        "unlabelled_classes": classifier_about.get("unlabelled_classes", []),
        "temperature": fitted["temperature"],
        "settings": settings,
        "seed": classifier_about["seed"],
        "threads": classifier_about["threads"],
        "digests": {**learned_from, "code": code_digest()},
    }


def _run(evaluation: Path, settings: ReleaseSettings) -> dict[str, Any]:
    """The run that a release came from, and the champion that its model was compared with."""
    against = _read(evaluation / "metrics.json", "evaluate")["against"]["champion"]
    return {
        "run": {"key": settings.run_key, "settings": settings.run},
        "compared_with": against["version"] if against else "",
    }


def _record(folder: Path, record: dict[str, Any]) -> Metadata:
    print(f"{record['model']} {record['version']}: {record['why']}".replace(" :", ":"), flush=True)
    with new_folder(folder) as new:
        write_json(new / "release.json", {"format": 1, **record})
    return {"release": {key: record[key] for key in ("promoted", "version", "published", "why")}}


def _read(path: Path, writer: str) -> dict[str, Any]:
    if not path.is_file():
        raise BadInputError(f"{path.parent}: holds no {path.name}; expected the output of {writer}")
    return read_json(path)
