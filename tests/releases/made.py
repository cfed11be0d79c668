"""A published release of the tiny world's classifier, for tests of what answers with one."""

from typing import Any

from components.common.artifacts import load_labels
from components.common.files import json_text
from components.common.learning.models import load_classifier
from components.common.learning.onnx_file import export
from components.common.storage import open_store
from components.releases import preprocessing
from components.releases.bundle import describe, publish
from tests import tiny

THRESHOLDS: dict[str, Any] = {
    "precision": {"wanted": 0.9, "threshold": 0.6, "abstained": 0.2, "low": 0.9, "images": 90, "why": "…"},
    "conformal": {"coverage": 0.9, "score": "…", "quantile": 0.8, "images": 90, "why": "…"},
}


def publish_release(
    world: tiny.World, store: str, name: str = "digits", thresholds: dict[str, Any] | None = None, **changes: bytes
) -> str:
    """Publish a bundle with what a server reads, and return its place. `changes`: contents of files by their names,
    underscores for dots, instead of those that follow from the classifier.
    """
    classifier, spec, about = load_classifier(world.classifier)
    files = {
        "model.onnx": export(classifier, spec),
        "preprocessing.json": json_text(
            preprocessing.describe(spec.mode, spec.image_size, spec.mean, spec.std)
        ).encode(),
        "calibration.json": json_text({"temperature": 1.25, "thresholds": thresholds or THRESHOLDS}).encode(),
    } | {key.replace("_", "."): data for key, data in changes.items()}
    release = describe(
        files,
        {
            "model": name,
            "classes": about["classes"],
            "temperature": 1.25,
            "digests": {"dataset": world.data.id, "labels": load_labels(world.labels)[1]["sha256"]},
        },
    )
    folder = publish(open_store(store), release, files)
    return f"{store}/{folder}".rstrip("/")
