"""Name a version of the compiled pipeline by the digest of its content."""

import hashlib
import re
from pathlib import Path

from components.common.errors import BadInputError

PIPELINE = "gleaner-training"
COMMITTED, LATEST = "committed", "latest"
WANTED = rf"^({COMMITTED}|{LATEST}|{PIPELINE}-[0-9a-f]{{12}})$"
"""What a run or a schedule may ask for."""
COMPILED = Path(__file__).parents[1] / "compiled" / "training.yaml"
"""The version whose pods are the defaults of `resources`."""


def version_name(compiled: Path = COMPILED) -> str:
    """`gleaner-training-` and the first 12 hex digits of the sha256 of the compiled pipeline's bytes."""
    return content_name(compiled.read_bytes())


def content_name(compiled: bytes) -> str:
    """The same, of one that is not written yet."""
    return f"{PIPELINE}-{hashlib.sha256(compiled).hexdigest()[:12]}"


def check_version(wanted: str) -> None:
    if not re.match(WANTED, wanted):
        raise BadInputError(
            f"pipeline version: got {wanted!r}, expected {COMMITTED}, {LATEST} or a name such as {version_name()}"
        )


def named(wanted: str, compiled: Path = COMPILED) -> str:
    """`committed` as the name of the version that is compiled here; other words as they are."""
    return version_name(compiled) if wanted == COMMITTED else wanted
