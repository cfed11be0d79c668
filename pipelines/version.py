"""The name of a version of the pipeline: it follows from the content, so that one name never means two things."""

import hashlib
from pathlib import Path

PIPELINE = "gleaner-training"
COMPILED = Path(__file__).parent / "compiled" / "training.yaml"
"""The version whose pods are the defaults of `resources`."""


def version_name(compiled: Path = COMPILED) -> str:
    """`gleaner-training-` and the first 12 hex digits of the sha256 of the compiled pipeline's bytes."""
    return content_name(compiled.read_bytes())


def content_name(compiled: bytes) -> str:
    """The same, of one that is not written yet."""
    return f"{PIPELINE}-{hashlib.sha256(compiled).hexdigest()[:12]}"
