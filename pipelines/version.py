"""The name of the pipeline's compiled version: its content, so that an equal pipeline is never a new version."""

import hashlib
from pathlib import Path

PIPELINE = "gleaner-training"
COMPILED = Path(__file__).parent / "compiled" / "training.yaml"


def version_name(compiled: Path = COMPILED) -> str:
    """`gleaner-training-` and the first 12 hex digits of the sha256 of the compiled pipeline's bytes."""
    return f"{PIPELINE}-{hashlib.sha256(compiled.read_bytes()).hexdigest()[:12]}"
