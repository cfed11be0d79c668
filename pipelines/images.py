"""The images of docker/images.json, their only home: stages and manifests name a role, a generated component the image."""

import json
import re
from pathlib import Path

import yaml

from components.common.component import IMAGES, images
from components.common.errors import BadInputError
from components.common.files import write_text

ROOT = Path(__file__).parents[1]
ROLES = ("data", "train", "report")
"""The images that are built here, targets of docker/Dockerfile; the other roles are other people's images."""
BASE = "base"
"""The image that those are built on; nothing runs it."""
OVERRIDES = ROOT / "manifests" / "components" / "images" / "kustomization.yaml"
HEADER = """\
# Written by `gleaner compile` from docker/images.json; do not edit.
# Puts images in the place of their roles: `image: data` becomes the image of that role, with its digest.
"""
REFERENCE = re.compile(r"(?P<newName>[\w.:/-]+?)(:(?P<newTag>[\w.-]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?")
"""`name[:tag][@sha256:digest]`, where a colon before a slash is a registry's port."""


def image_overrides() -> str:
    """The kustomize component that replaces each role by its image."""
    return HEADER + yaml.safe_dump({
        "apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component",
        "images": [{"name": role, **parts(reference)} for role, reference in sorted(images().items()) if role != BASE],
    }, sort_keys=False, width=200)


def parts(reference: str) -> dict[str, str]:
    """newName, newTag and digest, those that a reference has; BadInputError where it is none."""
    match = REFERENCE.fullmatch(reference)
    if match is None:
        raise BadInputError(f"image {reference!r}: expected NAME[:TAG][@sha256:DIGEST]")
    return {key: value for key, value in match.groupdict().items() if value}


def pin(references: dict[str, str]) -> list[str]:
    """Write new references of roles into docker/images.json, each with its digest; returns the roles that changed."""
    known = dict(images())
    for role, reference in references.items():
        if role not in known:
            raise BadInputError(f"image {role}: no such role; expected one of {sorted(known)}")
        if "digest" not in parts(reference):
            raise BadInputError(f"image {role}: got {reference}, expected NAME:TAG@sha256:…: a tag alone can change its meaning")
    changed = [role for role, reference in references.items() if known[role] != reference]
    write_text(IMAGES, json.dumps({**known, **references}, indent=1, sort_keys=True) + "\n")
    images.cache_clear()
    return changed
