"""The name of a version of the pipeline: it follows from the content, so that one name never means two things."""

import hashlib
from pathlib import Path

COMPILED = Path(__file__).parent / "compiled"
PIPELINE = "gleaner-training"


def version_name(ir: str | None = None) -> str:
    """`gleaner-training-0123456789ab`, of a compiled pipeline; by default of the committed one."""
    content = (COMPILED / "training.yaml").read_bytes() if ir is None else ir.encode()
    return f"{PIPELINE}-{hashlib.sha256(content).hexdigest()[:12]}"
