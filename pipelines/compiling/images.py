"""References of container images, and the kustomize component that puts them in the place of their roles."""

import re
from pathlib import Path

import yaml

from components.common.component import images
from components.common.errors import BadInputError

BASE = "base"
"""The image that those are built on; nothing runs it."""
OVERRIDES = Path(__file__).parents[2] / "manifests" / "components" / "images" / "kustomization.yaml"
HEADER = """\
# Written by `gleaner compile` from docker/images.json; do not edit.
# Puts images in the place of their roles: `image: data` becomes the image of that role, with its digest.
"""
REFERENCE = re.compile(
    r"(?P<newName>(\[[\da-f:]+\])?[\w.:/-]+?)(:(?P<newTag>[\w.-]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)
"""`name[:tag][@sha256:digest]`, where a colon before a slash is a registry's port, brackets hold an IPv6 address."""


def image_overrides() -> str:
    """The kustomize component that replaces each role by its image."""
    return HEADER + yaml.safe_dump(
        {
            "apiVersion": "kustomize.config.k8s.io/v1alpha1",
            "kind": "Component",
            "images": [
                {"name": role, **parts(reference)} for role, reference in sorted(images().items()) if role != BASE
            ],
        },
        sort_keys=False,
        width=200,
    )


def parts(reference: str) -> dict[str, str]:
    """newName, newTag and digest, those that a reference has; BadInputError where it is none."""
    match = REFERENCE.fullmatch(reference)
    if match is None:
        raise BadInputError(f"image {reference!r}: expected NAME[:TAG][@sha256:DIGEST]")
    return {key: value for key, value in match.groupdict().items() if value}
