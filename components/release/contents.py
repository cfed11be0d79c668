"""What a release holds: the artifacts of one run, which are of one model, or the release is refused."""

from pathlib import Path
from typing import Any, NamedTuple

from components.common.artifacts import LABELS_FILES, load_about, load_labels, read_about
from components.common.code import code_digest, images
from components.common.errors import BadInputError
from components.common.files import json_text, sha256_bytes
from components.release.card import card
from components.release.settings import ReleaseSettings
from components.releases import provenance
from components.releases.bundle import describe
from components.releases.exported import measured_files
from components.releases.model import MODEL
from components.releases.preprocessing import MAX_PIXELS
from components.releases.preprocessing import describe as preprocessing

MEASURED = ("metrics.json", "gate.json", "reference.parquet", "reference.json", "probe.json", "report.html")
TO_EVALUATE = "run evaluate again with this version of Gleaner"


class Parts(NamedTuple):
    """The artifacts that a release is made of, and what they say of themselves."""

    classifier: Path
    calibration: Path
    evaluation: Path
    about: dict[str, Any]  # classifier.json
    fitted: dict[str, Any]  # calibration.json
    metrics: dict[str, Any]
    gate: dict[str, Any]


def parts_of(classifier: Path, calibration: Path, evaluation: Path) -> Parts:
    """The artifacts, all of one model; BadInputError where they are not."""
    about = load_about(classifier, "classifier")[1]
    fitted = read_about(calibration, "calibration.json", "calibrate")
    metrics, gate = (read_about(evaluation, name, "evaluate") for name in MEASURED[:2])
    load_labels(classifier)
    parts = Parts(classifier, calibration, evaluation, about, fitted, metrics, gate)
    _of_one_model(parts)
    if "onnx" not in metrics:
        raise BadInputError(f"{evaluation / 'metrics.json'}: says nothing of {MODEL}; {TO_EVALUATE}")
    return parts


def contents(parts: Parts, name: str, settings: ReleaseSettings) -> tuple[dict[str, Any], dict[str, bytes]]:
    """release.json, and the files that it lists, by name."""
    files = {"preprocessing.json": json_text(_preprocessing(parts, settings)).encode()}
    files |= {file: (parts.classifier / file).read_bytes() for file in ("classifier.safetensors", "classifier.json")}
    files |= {
        file: (parts.classifier / file).read_bytes() for file in LABELS_FILES if (parts.classifier / file).is_file()
    }
    files["calibration.json"] = (parts.calibration / "calibration.json").read_bytes()
    files |= measured_files(parts.evaluation, parts.metrics["onnx"])
    for file in MEASURED:
        if not (parts.evaluation / file).is_file():
            raise BadInputError(f"{parts.evaluation}: holds no {file}; {TO_EVALUATE}")
        files[file] = (parts.evaluation / file).read_bytes()
    about = describe_run(parts, name, settings)
    files["README.md"] = card(about, parts.metrics, parts.fitted, parts.gate, sorted(files)).encode()
    digests = {file: sha256_bytes(data) for file, data in files.items()}
    statement = provenance.statement(about, digests, parts.about.get("made_with", {}), images())
    files[provenance.FILE] = json_text(statement).encode()
    return describe(files, about), files


def describe_run(parts: Parts, name: str, settings: ReleaseSettings) -> dict[str, Any]:
    """What a release says of itself beside its files."""
    about, compared = parts.about, (parts.metrics.get("against") or {}).get("champion") or {}
    return {
        "model": name,
        "classes": about["classes"],
        "unlabelled_classes": about.get("unlabelled_classes", []),
        "temperature": parts.fitted["temperature"],
        "passed": parts.gate["passed"],
        "settings": {
            about["stage"]: about["settings"],
            "evaluate": parts.metrics["provenance"]["evaluate"]["settings"],
        },
        "seed": about["seed"],
        "threads": about["threads"],
        "dataset_name": about["dataset_name"],
        "digests": {"dataset": about["dataset"], "labels": about["labels"], "code": code_digest()},
        "run": {"key": settings.run_key, "settings": settings.run},
        "compared_with": compared.get("version") or "",
    }


def _preprocessing(parts: Parts, settings: ReleaseSettings) -> dict[str, Any]:
    spec, _ = load_about(parts.classifier, "classifier")
    limit = settings.run.get("ingest", {}).get("max_pixels", MAX_PIXELS)
    return preprocessing(spec.mode, spec.image_size, spec.mean, spec.std, limit)


def _of_one_model(parts: Parts) -> None:
    """BadInputError where calibration or evaluation saw another classifier, other images or other labels."""
    seen = parts.metrics["provenance"]
    weights = sha256_bytes((parts.classifier / "classifier.safetensors").read_bytes())
    for stage, digest in (("calibrate", parts.fitted["classifier"]), ("evaluate", seen["classifier"]["sha256"])):
        if digest != weights:
            raise BadInputError(
                f"{parts.classifier}: sha256 {weights[:12]}, but {stage} saw {digest[:12]}; run {stage} on this "
                "classifier"
            )
    if parts.metrics["temperature"] != parts.fitted["temperature"]:
        raise BadInputError(
            f"{parts.evaluation}: measured at T={parts.metrics['temperature']}, but {parts.calibration} has "
            f"{parts.fitted['temperature']}; run evaluate on this calibration"
        )
    measured_on = {"dataset": seen["dataset"]["id"], "labels": seen["labels"]["sha256"]}
    for what, digest in measured_on.items():
        if digest != parts.about[what]:
            raise BadInputError(
                f"{parts.evaluation}: measured on {what} {digest[:12]}, but {parts.classifier} learned from "
                f"{parts.about[what][:12]}; run evaluate on the {what} of this classifier"
            )
