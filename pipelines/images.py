"""The images of docker/images.json, for kustomize: manifests name a role, a generated component puts the image in its place."""

import re
from pathlib import Path
from typing import Any

import yaml

from components.common.component import images

OVERRIDES = Path(__file__).parents[1] / "manifests" / "components" / "images" / "kustomization.yaml"
HEADER = """\
# Written by `gleaner compile` from docker/images.json; do not edit.
# Puts images in the place of their roles: `image: data` becomes the image of that role, with its digest.
"""


def image_overrides() -> str:
    """The kustomize component that replaces each role by its image."""
    return HEADER + yaml.safe_dump({
        "apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component",
        "images": [_override(role, reference) for role, reference in sorted(images().items())],
    }, sort_keys=False, width=200)


def _override(role: str, reference: str) -> dict[str, Any]:
    """One entry: `name[:tag][@sha256:digest]`, where a colon before a slash is a registry's port."""
    match = re.fullmatch(r"(?P<newName>.+?)(:(?P<newTag>[\w.-]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?", reference)
    assert match, reference
    return {"name": role, **{key: value for key, value in match.groupdict().items() if value}}
