"""The images of docker/images.json, their only home: stages and manifests name a role."""

import json
from pathlib import Path

from components.common.component import IMAGES, images
from components.common.errors import BadInputError
from components.common.files import write_text
from pipelines.compiling.images import parts

ROOT = Path(__file__).parents[2]
ROLES = ("data", "train", "report", "serve")
"""The images that are built here, targets of docker/Dockerfile; the other roles are other people's images."""


def pin(references: dict[str, str]) -> list[str]:
    """Write new references of roles into docker/images.json, each with its digest; returns the roles that changed."""
    known = dict(images())
    for role, reference in references.items():
        if role not in known:
            raise BadInputError(f"image {role}: no such role; expected one of {sorted(known)}")
        if "digest" not in parts(reference):
            raise BadInputError(
                f"image {role}: got {reference}, expected NAME:TAG@sha256:…: a tag alone can change its meaning"
            )
    changed = [role for role, reference in references.items() if known[role] != reference]
    write_text(IMAGES, json.dumps({**known, **references}, indent=1, sort_keys=True) + "\n")
    images.cache_clear()
    return changed
