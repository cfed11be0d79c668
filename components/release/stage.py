"""Publish an immutable bundle and move the champion pointer, or record why not."""

import re
from pathlib import Path
from typing import Any

from components.common.cli import Metadata
from components.common.errors import BadInputError
from components.common.files import new_folder, write_json
from components.common.storage import open_store
from components.common.waiting import sentence, waiting_in
from components.release.contents import Parts, contents, parts_of
from components.release.settings import ReleaseSettings
from components.releases.bundle import publish, sums_of
from components.releases.deciding.automatic import decide
from components.releases.deciding.outside import Outside
from components.releases.exported import refusal
from components.releases.gitops.repository import Target
from components.releases.signature import sign


def run(
    classifier: Path,
    calibration: Path,
    evaluation: Path,
    name: str,
    store: str,
    settings: ReleaseSettings,
    release: Path,
) -> Metadata:
    """Publish an immutable bundle and move the champion pointer if every gate passes; else record why not.

    A model that fails a gate is published too, as one that did not pass: only a person makes it the champion, by
    `gleaner release approve --force`. Where its ONNX file differs from the network that was measured, nothing is
    published.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise BadInputError(
            f"name {name!r} cannot be part of an address; expected letters, digits, dots, dashes and underscores"
        )
    if waiting := waiting_in(classifier, evaluation):
        line = sentence(waiting, store)
        told = _record(release, nothing(name, line, []))
        return {"release": {**told["release"], "waiting": line}}
    parts = parts_of(classifier, calibration, evaluation)
    gates = parts.gate["gates"]
    if why := refusal(parts.metrics["onnx"]):
        return _record(release, nothing(name, f"not released: {why}", gates))
    described, files = contents(parts, name, settings)
    signed = sign(sums_of(described), settings.sign_key) if settings.sign_key else None
    target = open_store(store)
    folder = publish(target, described, files, signed)
    done = decide(
        target,
        described,
        told_to(settings),
        passed=parts.gate["passed"],
        verdict=_verdict(parts),
        auto=settings.promote == "auto",
        expected=described["compared_with"] or None,
        source=f"run {settings.run_key}" if settings.run_key else "components.release",
    )
    told = _record(
        release,
        {
            "model": name,
            "promoted": done.promoted,
            "version": described["version"],
            "published": f"{target.uri}/{folder}".rstrip("/"),
            "why": "; ".join([done.why, *done.told]),
            "gates": gates,
            "release": described,
        },
    )
    return {"release": {**told["release"], **({"waits": True} if done.waits else {})}}


def told_to(settings: ReleaseSettings) -> Outside:
    """Who is told of a promotion."""
    git = settings.gitops
    target = Target(git.repository, git.branch, git.path, git.review) if git.repository else None
    return Outside(target, settings.registry)


def nothing(name: str, why: str, gates: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of a run that publishes nothing."""
    return {
        "model": name,
        "promoted": False,
        "version": "",
        "published": "",
        "why": why,
        "gates": gates,
        "release": None,
    }


def _verdict(parts: Parts) -> str:
    """What the gates said, and how the model compares with the champion, on which images and classes."""
    failed = [gate for gate in parts.gate["gates"] if not gate["passed"]]
    said = "; ".join(f"{gate['name']}: {gate['why']}" for gate in failed) or "every gate passed"
    other = (parts.metrics.get("against") or {}).get("champion")
    return f"{said}; against champion {other['version']}: {other['why']}" if other else said


def _record(folder: Path, record: dict[str, Any]) -> Metadata:
    print(f"{record['model']} {record['version']}: {record['why']}".replace(" :", ":"), flush=True)
    with new_folder(folder) as new:
        write_json(new / "release.json", {"format": 1, **record})
    return {"release": {key: record[key] for key in ("promoted", "version", "published", "why")}}
